import type { Endpoint, RequestBody } from '../../core/request.ts';
import { compileBody, imageFieldsOf } from '../body-template.ts';
import type { RequestTemplate } from '../definition.ts';
import { requireEndpoint } from '../endpoint.ts';
import { isObject } from '../json.ts';
import { validateRequestBody } from '../validate-body.ts';

/** Text of a template: n fields by their numbers, and the n + 1 pieces around them. */
export interface Pieces {
  readonly literals: readonly Buffer[];
  readonly fields: readonly number[];
  /** Bytes of all literals. */
  readonly literalBytes: number;
}

/**
 * A declared request as bytes: what its body is when every field of it is a text. Then nothing has
 * to be built or checked for a record; its fields are put between the literals.
 */
export interface SpliceTemplate {
  readonly endpoint: Endpoint;
  readonly model: string;
  /** What a record must have; the last one is the id when there is an `idField`. */
  readonly fields: readonly string[];
  /** Which of `fields` is the custom_id, or -1. */
  readonly id: number;
  /** Whether numbers, true, false and null may stand for a text: not where they keep their type. */
  readonly scalars: boolean;
  /** The body's JSON behind `{"model":MODEL`. */
  readonly body: Pieces;
  /** The texts with fields in them: what a counter has to look at for each record. */
  readonly texts: readonly Pieces[];
  /** Whether a request without any text would be refused. */
  readonly wantsText: boolean;
  /** A body with these texts, for what does not depend on them. */
  readonly sample: RequestBody;
  readonly sampleTexts: readonly string[];
}

/**
 * Compiles a declared request, or gives null for one that has to be built record by record: with
 * fields elsewhere than in a text that the model reads, with an image, with dotted paths.
 */
export function compileSplice(definition: RequestTemplate): SpliceTemplate | null {
  if (definition.kind === 'batch' || imageFieldsOf(definition).length > 0) return null;
  const endpoint = requireEndpoint(definition.endpoint);
  const template = compileBody(definition, endpoint);
  const fields = [...template.fields];
  const idField = definition.idField ?? null;
  if (idField !== null && !fields.includes(idField)) fields.push(idField);
  if (fields.some((field) => field.includes('.'))) return null;
  const marks = new Map(fields.map((field, index) => [field, mark(index)]));
  const body = template.render(Object.fromEntries(marks)) as RequestBody;
  if (validateRequestBody(endpoint, body) !== null) return null;
  const texts = textsOf(endpoint, body);
  const json = JSON.stringify(body);
  const head = `{"model":${JSON.stringify(body.model)}`;
  const bodyPieces = cut(json.slice(head.length));
  // Every field that is written has to be seen in one of the texts, and nowhere else.
  const seen = texts.flatMap((text) => cut(text).fields);
  const same = [...seen].sort().join() === [...bodyPieces.fields].sort().join();
  if (!json.startsWith(head) || !same || seen.length === 0) return null;
  const sampleTexts = texts.filter((text) => cut(text).fields.length > 0);
  return {
    endpoint,
    model: body.model,
    fields,
    id: idField === null ? -1 : fields.indexOf(idField),
    scalars: definition.kind === 'prompt',
    body: bodyPieces,
    texts: sampleTexts.map(cut),
    wantsText: endpoint === '/embeddings' || endpoint === '/completions',
    sample: body,
    sampleTexts,
  };
}

// Marks are of characters that JSON and templates leave as they are, and that nobody writes.
const OPEN = '\u{f0000}';
const CLOSE = '\u{f0001}';
const MARK = new RegExp(`${OPEN}(\\d+)${CLOSE}`, 'u');

function mark(index: number): string {
  return `${OPEN}${index}${CLOSE}`;
}

function cut(text: string): Pieces {
  const parts = text.split(MARK);
  const literals = parts.filter((_, i) => i % 2 === 0).map((part) => Buffer.from(part));
  return pieces(literals, parts.filter((_, i) => i % 2 === 1).map(Number));
}

export function pieces(literals: readonly Buffer[], fields: readonly number[] = []): Pieces {
  return { literals, fields, literalBytes: literals.reduce((sum, { length }) => sum + length, 0) };
}

/** The texts of a body that any text may stand in for: each is counted by itself. */
function textsOf(endpoint: Endpoint, body: RequestBody): string[] {
  if (endpoint === '/embeddings') return strings([body.input]);
  if (endpoint === '/completions') return strings([body.prompt]);
  if (endpoint === '/responses') {
    return [...strings([body.instructions, body.input]), ...contents(body.input)];
  }
  return contents(body.messages);
}

function contents(messages: unknown): string[] {
  if (!Array.isArray(messages)) return [];
  return messages.filter(isObject).flatMap(({ content, type }) => {
    if (type !== undefined && type !== 'message') return [];
    if (!Array.isArray(content)) return strings([content]);
    const parts = content.filter(isObject).filter((part) => TEXT_PARTS.has(part.type));
    return strings(parts.map(({ text }) => text));
  });
}

const TEXT_PARTS: ReadonlySet<unknown> = new Set(['text', 'input_text']);

function strings(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string');
}
