import type { RowError } from '../core/record.ts';
import type { StandardIssue, StandardSchema } from '../core/standard-schema.ts';
import type { SchemaCheck } from '../requests/json-schema.ts';

/** What an answer gives by its schema: a value, nothing (it calls a tool), or why it does not do. */
export type Output =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'none' }
  | { readonly kind: 'unusable'; readonly error: RowError };

/** Reads the output of a response's body; never throws, never rejects. */
export type OutputReader = (body: unknown) => Output | Promise<Output>;

/** Codes of answers that came and were paid for, but give no output by the schema. */
export const OUTPUT_CODES = {
  /** The text is no JSON, or does not follow the schema. */
  mismatch: 'schema_mismatch',
  /** The model declined to answer. */
  refusal: 'refusal',
  /** The limit of output tokens cut the text off. */
  cut: 'output_cut',
  /** The content filter cut the text off. */
  filtered: 'content_filter',
} as const;

/**
 * The reader of what a schema shapes: the text of a chat completion's first choice, or of a
 * response's messages, as JSON. `check` is of the JSON Schema, `standard` the caller's own schema
 * object, which may check more; the value stays as the model wrote it.
 */
export function outputReader(
  check: SchemaCheck | null,
  standard: StandardSchema | null,
): OutputReader {
  return (body) => {
    const said = saidBy(body);
    if (said.refusal !== null) return unusable('refusal', 'the model refused to answer');
    if (said.text === null) {
      if (said.calls) return { kind: 'none' };
      return said.stop === null ? unusable('mismatch', 'the answer has no text') : stopped(said);
    }
    const value = parse(said.text);
    if (value === undefined) {
      return said.stop === null ? unusable('mismatch', 'the answer is not JSON') : stopped(said);
    }
    const problem = check?.(value) ?? null;
    if (problem !== null) return unusable('mismatch', `the answer does not fit: ${problem}`);
    return standard === null ? { kind: 'value', value } : checkedBy(standard, value);
  };
}

function checkedBy(standard: StandardSchema, value: unknown): Output | Promise<Output> {
  const judge = (issues: readonly StandardIssue[] | undefined): Output =>
    issues === undefined ? { kind: 'value', value } : { kind: 'unusable', error: mismatch(issues) };
  const failed = () => unusable('mismatch', 'the schema itself failed on the answer');
  try {
    const result = standard['~standard'].validate(value);
    if (!(result instanceof Promise)) return judge(result.issues);
    return result.then(({ issues }) => judge(issues), failed);
  } catch {
    return failed();
  }
}

/** The error of a row whose output a schema refuses. */
export function mismatch([first]: readonly StandardIssue[]): RowError {
  const path = first?.path?.map(keyOf).join('.') ?? '';
  const message = `the answer does not fit: ${path} ${first?.message ?? ''}`.trim();
  return { code: OUTPUT_CODES.mismatch, message };
}

function keyOf(step: PropertyKey | { readonly key: PropertyKey }): string {
  return String(typeof step === 'object' ? step.key : step);
}

/** What an answer says, of either kind. */
interface Said {
  /** Null when it has none. */
  readonly text: string | null;
  readonly refusal: string | null;
  /** Whether it calls a tool. */
  readonly calls: boolean;
  /** Why it ended before its end, or null. */
  readonly stop: 'cut' | 'filtered' | null;
}

const STOPS: ReadonlyMap<unknown, Said['stop']> = new Map([
  ['length', 'cut'],
  ['max_output_tokens', 'cut'],
  ['content_filter', 'filtered'],
]);

function saidBy(body: unknown): Said {
  const answer = asObject(body);
  return Array.isArray(answer?.output) ? saidByResponse(answer, answer.output) : saidByChat(answer);
}

function saidByChat(answer: Fields | undefined): Said {
  const choice = Array.isArray(answer?.choices) ? asObject(answer.choices[0]) : undefined;
  const message = asObject(choice?.message);
  return {
    text: asText(message?.content),
    refusal: asText(message?.refusal),
    calls: Array.isArray(message?.tool_calls),
    stop: STOPS.get(choice?.finish_reason) ?? null,
  };
}

function saidByResponse(answer: Fields, output: readonly unknown[]): Said {
  const items = output.map(asObject);
  const parts = items
    .flatMap((item) => (item?.type === 'message' ? item.content : []))
    .map(asObject);
  const texts = parts.filter((part) => part?.type === 'output_text').map((part) => part?.text);
  return {
    text: texts.length === 0 ? null : texts.join(''),
    refusal: asText(parts.find((part) => part?.type === 'refusal')?.refusal),
    calls: items.some((item) => String(item?.type).endsWith('_call')),
    stop: STOPS.get(asObject(answer.incomplete_details)?.reason) ?? null,
  };
}

function stopped({ stop }: Said): Output {
  return stop === 'filtered'
    ? unusable('filtered', 'the content filter ended the answer before its end')
    : unusable('cut', 'the limit of output tokens cut the answer off: raise it');
}

function unusable(why: keyof typeof OUTPUT_CODES, message: string): Output {
  return { kind: 'unusable', error: { code: OUTPUT_CODES[why], message } };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

type Fields = Readonly<Record<string, unknown>>;

function asObject(value: unknown): Fields | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Fields;
}

function asText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
