type CountText = (text: string) => number;

const O200K = 'o200k_base';
const CL100K = 'cl100k_base';

/** Model names by their beginnings, the longest match first. */
const CL100K_PREFIXES = [
  'gpt-4-',
  'gpt-35-turbo',
  'gpt-3.5',
  'text-embedding-',
  'davinci-002',
  'babbage-002',
] as const;

// A text that looks like a special token is text: it reached the service as a string.
const AS_TEXT = { disallowedSpecial: new Set<string>() };

/**
 * The tokenizer's time grows with the square of a run of letters without a break. Longer runs are
 * counted in pieces: a token or so too many for each, in texts that no model was made for.
 */
const LONGEST_RUN = 512; // characters
const LONG_RUN = new RegExp(`[^\\s\\p{P}]{${LONGEST_RUN}}`, 'gu');

const loaded = new Map<string, Promise<CountText>>();

/** The encoding of a base model, or of a deployment that is named after one; o200k_base otherwise. */
export function encodingOf(model: string): string {
  const name = model.toLowerCase();
  if (name === 'gpt-4') return CL100K;
  const old = CL100K_PREFIXES.some((prefix) => name.startsWith(prefix));
  return old && !/^gpt-4-(o|1|5)/.test(name) ? CL100K : O200K;
}

/** Counts the tokens of text for a model. The tables take about half a second to load, once. */
export function loadEncoding(model: string): Promise<CountText> {
  const name = encodingOf(model);
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const loading = load(name);
  loaded.set(name, loading);
  return loading;
}

async function load(name: string): Promise<CountText> {
  const { countTokens } =
    name === CL100K
      ? await import('gpt-tokenizer/encoding/cl100k_base')
      : await import('gpt-tokenizer/encoding/o200k_base');
  const count: CountText = (text) => countTokens(text, AS_TEXT);
  return (text) => {
    if (text.length < LONGEST_RUN || text.search(LONG_RUN) < 0) return count(text);
    let tokens = 0;
    let start = 0;
    for (const run of text.matchAll(LONG_RUN)) {
      const end = run.index + run[0].length;
      tokens += count(text.slice(start, end));
      start = end;
    }
    return tokens + count(text.slice(start));
  };
}
