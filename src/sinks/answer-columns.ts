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
  content: string | null,
  finishReason: string | null,
  status: string,
  error: string | null,
  promptTokens: number | null,
  completionTokens: number | null,
];

/**
 * The values for ANSWER_COLUMNS. `content` is the text of the first choice (its tool calls or its
 * refusal as they are when there is no text), of all output_text parts of a response, or the
 * embedding as JSON; `error` is `code: message`.
 */
export function answerValues(row: ResultRow): AnswerValues {
  const body = asObject(row.response?.body);
  const usage = asObject(body?.usage);
  const error = row.error === null ? null : `${row.error.code}: ${row.error.message}`;
  const isAnswer = row.status === 'ok' && body !== undefined;
  return [
    isAnswer ? contentOf(body) : null,
    isAnswer ? finishReasonOf(body) : null,
    row.status,
    error,
    asNumber(usage?.prompt_tokens ?? usage?.input_tokens),
    asNumber(usage?.completion_tokens ?? usage?.output_tokens),
  ];
}

/** The answers' names beside these columns of the source: a name that is taken gets `answer_`. */
export function answerNames(taken: ReadonlySet<string>): string[] {
  return ANSWER_COLUMNS.map((name) => {
    let free: string = name;
    while (taken.has(free)) free = `answer_${free}`;
    return free;
  });
}

function contentOf(body: JsonObject): string | null {
  if (Array.isArray(body.choices)) return choiceText(asObject(body.choices[0]));
  if (Array.isArray(body.output)) return outputText(body);
  if (Array.isArray(body.data)) return embeddingText(body.data);
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
function embeddingText(data: readonly unknown[]): string | null {
  const vectors = data.map((item) => asObject(item)?.embedding);
  if (vectors.length === 0 || vectors.includes(undefined)) return null;
  return JSON.stringify(vectors.length === 1 ? vectors[0] : vectors);
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
