import { type Random, seededRandom } from '../../core/clock.ts';

/**
 * Words that are one token each when a space stands before them, in every encoding, so that a
 * text's tokens are known while it is written.
 */
const WORDS =
  'the of and to in is that it was for on are with as at be this have from or had by not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know get through back much before go good new write our used me man too any day same right look think also around another came come work three word must because does part even place well such here take why things help put years different away again off went old number great tell men say small every found still between name should home big give air line set own under read last never us left end along while might next sound below saw something thought both few those always looked show large often together asked house world going want school important until form food keep children feet land side without boy once animals life enough took sometimes four head above kind began almost live page got earth need far hand high year mother light parts country father let night following picture being study second eyes soon times story'.split(
    ' ',
  );

const LEAST_WORDS = 6;
const MOST_WORDS = 48;
const WORDS_A_SENTENCE = 11;

/** A text and its exact tokens. */
export interface Written {
  readonly text: string;
  readonly tokens: number;
  /** Whether it ended because the limit was met. */
  readonly cut: boolean;
}

/** Writes an answer of plausible length, never more than `limit` tokens. */
export function writeText(random: Random, limit: number): Written {
  const wanted = LEAST_WORDS + Math.floor(random() * (MOST_WORDS - LEAST_WORDS));
  let text = '';
  let tokens = 0;
  for (let word = 0; word < wanted; word += 1) {
    if (tokens >= limit) return { text, tokens, cut: true };
    const place = word % WORDS_A_SENTENCE;
    // The first word stands without a space before it, so it is one whose bare form is a token too.
    const start = word === 0 ? 'The' : ' The';
    text += place === 0 ? start : ` ${WORDS[Math.floor(random() * WORDS.length)]}`;
    tokens += 1;
    const ends = word === wanted - 1 || place === WORDS_A_SENTENCE - 1;
    if (ends) {
      if (tokens >= limit) return { text, tokens, cut: true };
      text += '.';
      tokens += 1;
    }
  }
  return { text, tokens, cut: false };
}

/** So many words, without a stop. */
export function writeWords(random: Random, count: number): string {
  let text = '';
  for (let word = 0; word < count; word += 1) {
    text += `${word === 0 ? '' : ' '}${WORDS[Math.floor(random() * WORDS.length)]}`;
  }
  return text;
}

/** A generator that is the same for the same request. */
export function randomOf(body: unknown, seed: number): Random {
  return seededRandom(hash(JSON.stringify(body), seed));
}

/** FNV-1a over UTF-16 units. */
export function hash(text: string, seed: number): number {
  let value = (0x811c9dc5 ^ seed) >>> 0;
  for (let at = 0; at < text.length; at += 1) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  }
  return value >>> 0;
}
