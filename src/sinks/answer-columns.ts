import type { ResultRow } from '../core/result.ts';

/** What a flat row says about the answer, after the source's own columns. */
export const ANSWER_COLUMNS = [
  'content',
  'finish_reason',
  'status',
  'error',
  'prompt_tokens',
  'completion_tokens',
] as const;

export type AnswerValues = readonly [
  content: string | readonly unknown[] | null,
  finishReason: string | null,
  status: string,
  error: string | null,
  promptTokens: number | null,
  completionTokens: number | null,
];

/**
 * The values for ANSWER_COLUMNS. `content` is the text of the first choice (its tool calls or its
 * refusal as they are when there is no text), of all output_text parts of a response, or the
 * embedding's vector; `error` is `code: message`. A row that has failed because its answer does not
 * follow its schema has both: the answer was given and paid for.
 */
export function answerValues(row: ResultRow): AnswerValues {
  const body = asObject(row.response?.body);
  const usage = asObject(body?.usage);
  const error = row.error === null ? null : `${row.error.code}: ${row.error.message}`;
  return [
    body === undefined ? null : contentOf(body),
    body === undefined ? null : finishReasonOf(body),
    row.status,
    error,
    asNumber(usage?.prompt_tokens ?? usage?.input_tokens),
    asNumber(usage?.completion_tokens ?? usage?.output_tokens),
  ];
}

/** What answers have beyond ANSWER_COLUMNS: told beforehand, or seen in rows. */
export interface AnswerShape {
  /** The properties of their structured output, in their order. */
  readonly output: readonly string[];
  /** Whether they are embeddings, whose number of dimensions gets a column. */
  readonly dimensions: boolean;
}

/** The shape that these rows have. */
export function shapeOf(rows: readonly ResultRow[]): AnswerShape {
  const properties = rows.flatMap(({ output }) => Object.keys(asObject(output) ?? {}));
  const dimensions = rows.some(({ response }) => isEmbedding(asObject(response?.body)));
  return { output: [...new Set(properties)], dimensions };
}

/**
 * The answers' names beside these columns of the source: the output's properties, ANSWER_COLUMNS,
 * and `dimensions`. A name that is taken gets `output_` or `answer_` before it.
 */
export function answerNames(taken: ReadonlySet<string>, shape: AnswerShape): string[] {
  const own = [...ANSWER_COLUMNS, ...(shape.dimensions ? ['dimensions'] : [])];
  const named = own.map((name) => freeName(name, 'answer_', taken));
  const allTaken = new Set([...taken, ...named]);
  return [...shape.output.map((name) => freeName(name, 'output_', allTaken)), ...named];
}

/** The values for `answerNames`. */
export function flatValues(row: ResultRow, shape: AnswerShape): unknown[] {
  const output = asObject(row.output);
  const values: unknown[] = shape.output.map((name) => output?.[name] ?? null);
  values.push(...answerValues(row));
  if (shape.dimensions) values.push(dimensionsOf(asObject(row.response?.body)));
  return values;
}

function freeName(name: string, prefix: string, taken: ReadonlySet<string>): string {
  let free = name;
  while (taken.has(free)) free = `${prefix}${free}`;
  return free;
}

function isEmbedding(body: JsonObject | undefined): boolean {
  return Array.isArray(body?.data) && asObject(body.data[0])?.embedding !== undefined;
}

/** Of the first vector: an array of numbers, or 4 bytes a number in base64. */
function dimensionsOf(body: JsonObject | undefined): number | null {
  const first = Array.isArray(body?.data) ? asObject(body.data[0])?.embedding : undefined;
  if (Array.isArray(first)) return first.length;
  return typeof first === 'string' ? Buffer.byteLength(first, 'base64') / 4 : null;
}

function contentOf(body: JsonObject): string | readonly unknown[] | null {
  if (Array.isArray(body.choices)) return choiceText(asObject(body.choices[0]));
  if (Array.isArray(body.output)) return outputText(body);
  if (Array.isArray(body.data)) return vectorOf(body.data);
  return null;
}

function choiceText(choice: JsonObject | undefined): string | null {
  const message = asObject(choice?.message);
  if (message === undefined) return asText(choice?.text);
  if (Array.isArray(message.content)) return partsText(message.content, 'text');
  if (typeof message.content === 'string') return message.content;
  if (Array.isArray(message.tool_calls)) return JSON.stringify(message.tool_calls);
  return asText(message.refusal);
}

function outputText(body: JsonObject): string | null {
  const items = (body.output as unknown[]).map(asObject);
  const texts = items
    .filter((item) => item?.type === 'message' && Array.isArray(item.content))
    .map((item) => partsText(item?.content as unknown[], 'output_text'));
  return texts.length > 0 ? texts.join('') : asText(body.output_text);
}

function partsText(parts: readonly unknown[], type: string): string {
  return parts
    .map(asObject)
    .filter((part) => part?.type === type)
    .map((part) => asText(part?.text) ?? '')
    .join('');
}

/** One input gives one vector; several give an array of vectors. */
function vectorOf(data: readonly unknown[]): string | readonly unknown[] | null {
  const vectors = data.map((item) => asObject(item)?.embedding);
  if (vectors.length === 0 || vectors.includes(undefined)) return null;
  const [first] = vectors;
  return vectors.length === 1 && (typeof first === 'string' || Array.isArray(first))
    ? first
    : vectors;
}

function finishReasonOf(body: JsonObject): string | null {
  if (Array.isArray(body.choices)) return asText(asObject(body.choices[0])?.finish_reason);
  if (!Array.isArray(body.output)) return null;
  return asText(asObject(body.incomplete_details)?.reason) ?? asText(body.status);
}

type JsonObject = Readonly<Record<string, unknown>>;

function asObject(value: unknown): JsonObject | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as JsonObject;
}

function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function asNumber(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
