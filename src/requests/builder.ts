import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { errorCode, UsageError } from '../core/errors.ts';
import { RejectedRecord, type SourceItem, type SourceRecord } from '../core/record.ts';
import { type Endpoint, PreparedRequest, type RequestItem } from '../core/request.ts';
import type { StandardSchema } from '../core/standard-schema.ts';
import { compileBody } from './body-template.ts';
import { customIdOf } from './custom-id.ts';
import type { BatchDefinition, RequestTemplate } from './definition.ts';
import { endpointOfUrl, requireEndpoint } from './endpoint.ts';
import { fieldReader, UnusableField } from './field-path.ts';
import { isObject, type JsonObject } from './json.ts';
import { describePosition } from './position.ts';
import { bareSchema } from './schema.ts';
import type { JsonTemplate } from './template.ts';
import { validateRequestBody } from './validate-body.ts';

/** Makes a request of each record. */
export interface RequestBuilder {
  /** The fields that every record must have, to be compared with a CSV's header; the id's too. */
  readonly fields: readonly string[];
  /** Null when each record says it. */
  readonly endpoint: Endpoint | null;
  /** Null when each record says it. */
  readonly model: string | null;
  /** What every answer must be, when the request asks for it. */
  readonly output: OutputSchema | null;
  /**
   * Makes the request, or a RejectedRecord that says why there is none; what is rejected already
   * comes back as it is. Never throws; a promise only when the user's function gave one.
   */
  build(item: SourceItem<unknown>): RequestItem<unknown> | Promise<RequestItem<unknown>>;
}

/** A schema of answers. */
export interface OutputSchema {
  /** The bare JSON Schema. */
  readonly schema: JsonObject;
  /** The caller's own schema object, which may check more than its JSON Schema says. */
  readonly standard: StandardSchema | null;
}

/** The output of a request with this schema as plain data. */
export function outputOf(schema: JsonObject | undefined): OutputSchema | null {
  return schema === undefined ? null : { schema: bareSchema(schema), standard: null };
}

/** Makes the builder of a declared request; throws a UsageError for one that can never be valid. */
export function createRequestBuilder(definition: RequestTemplate): RequestBuilder {
  if (definition.kind === 'batch') return batchBuilder(definition);
  const endpoint = requireEndpoint(definition.endpoint);
  const model = requireModel(definition.model);
  const template = compileBody({ ...definition, model }, endpoint);
  const output = outputOf(definition.schema);
  const idOf = idReader(definition.idField);
  const fields = new Set(template.fields);
  if (definition.idField != null) fields.add(definition.idField);
  return {
    fields: [...fields],
    endpoint,
    model,
    output,
    build: (item) =>
      item instanceof RejectedRecord ? item : finish(item, { template, endpoint, output }, idOf),
  };
}

/** Reads a record's own id; null when ids are made by ordinal. */
export type IdReader = ((record: unknown) => unknown) | null;

export function idReader(field: string | null | undefined): IdReader {
  return field === null || field === undefined ? null : fieldReader(field);
}

export function requireModel(model: string | undefined): string {
  if (typeof model === 'string' && model !== '') return model;
  throw new UsageError('a request needs a model: the name of the deployment that answers');
}

function finish(
  item: SourceRecord<unknown>,
  { template, ...of }: RequestFrame & { readonly template: JsonTemplate },
  idOf: IdReader,
): RequestItem<unknown> {
  const body = rendered(template, item);
  if (body instanceof UnusableField) {
    const where = describePosition(item.position);
    return reject(item, body.code, `${where}: ${body.message}`);
  }
  return prepare(item, of, body, idOf);
}

function rendered(template: JsonTemplate, { record, position }: SourceRecord<unknown>): unknown {
  try {
    return template.render(record, position.source);
  } catch (error) {
    // The engine's one way of saying that a text would be longer than it can hold.
    if (!(error instanceof RangeError)) throw error;
    return new UnusableField(
      'request_too_large',
      'the fields that the request names make a text longer than 512 MiB; shorten the record',
    );
  }
}

/** What all requests of a builder have in common. */
export interface RequestFrame {
  readonly endpoint: Endpoint;
  readonly output: OutputSchema | null;
}

/** The last steps of every kind: the id, and the checks that the service would make. */
export function prepare(
  item: SourceRecord<unknown>,
  { endpoint, output }: RequestFrame,
  body: unknown,
  idOf: IdReader,
): RequestItem<unknown> {
  let id: unknown;
  try {
    id = idOf === null ? null : idOf(item.record);
  } catch (error) {
    return rejectThrown(item, 'the function that makes its id', error);
  }
  const where = describePosition(item.position);
  const customId = idOf === null ? null : customIdOf(id, where);
  if (typeof customId === 'object' && customId !== null) {
    return new RejectedRecord(item.record, item.position, customId);
  }
  const error = validateRequestBody(endpoint, body);
  if (error !== null) {
    return reject(item, error.code, `${where}: ${error.message}`, customId);
  }
  return new PreparedRequest(
    item.record,
    item.position,
    customId,
    endpoint,
    body as PreparedRequest<unknown>['body'],
    output?.schema ?? null,
  );
}

export function reject(
  item: SourceRecord<unknown>,
  code: string,
  message: string,
  customId: string | null = null,
): RejectedRecord {
  return new RejectedRecord(item.record, item.position, { code, message }, customId);
}

/** A user's function threw: its class, code and line are told, its words may hold the record's text. */
export function rejectThrown(
  item: SourceRecord<unknown>,
  what: string,
  error: unknown,
): RejectedRecord {
  const name = error instanceof Error ? error.name : typeof error;
  const code = errorCode(error);
  const why = code === undefined ? name : `${name}, ${code}`;
  const where = describePosition(item.position);
  return reject(item, 'request_failed', `${where}: ${what} threw (${why}${lineOf(error)})`);
}

/** Where in the user's file it was thrown, as ` at label.ts:12`; nothing when that is not known. */
function lineOf(error: unknown): string {
  if (!(error instanceof Error) || error.stack === undefined) return '';
  const begin = error.stack.indexOf(error.message);
  if (begin < 0) return '';
  const frames = error.stack.slice(begin + error.message.length);
  const [, path, line] =
    /^ +at [^\n]*?((?:file:\/\/)?\/[^\s()]+):(\d+):\d+\)?$/m.exec(frames) ?? [];
  if (path === undefined || pathToFileURL(path.replace('file://', '')).href.startsWith(OWN))
    return '';
  return ` at ${basename(path)}:${line}`;
}

const OWN = new URL('..', import.meta.url).href;

function batchBuilder(definition: BatchDefinition): RequestBuilder {
  const endpoint = definition.endpoint === undefined ? null : requireEndpoint(definition.endpoint);
  const model = definition.model === undefined ? null : requireModel(definition.model);
  return {
    fields: [],
    endpoint,
    model,
    output: null,
    build: (item) => (item instanceof RejectedRecord ? item : fromLine(item, endpoint, model)),
  };
}

const lineId: IdReader = (record) => (isObject(record) ? record.custom_id : undefined);

function fromLine(
  item: SourceRecord<unknown>,
  wanted: Endpoint | null,
  model: string | null,
): RequestItem<unknown> {
  const line = item.record;
  const where = describePosition(item.position);
  if (!isObject(line) || !isObject(line.body)) {
    return reject(
      item,
      'invalid_request',
      `${where}: this is no request line, as it has no body object`,
    );
  }
  if (line.method !== undefined && line.method !== 'POST') {
    return reject(item, 'invalid_request', `${where}: method must be POST`);
  }
  const endpoint = endpointOfUrl(line.url);
  if (endpoint === undefined) {
    return reject(item, 'invalid_request', `${where}: its url names no endpoint of a batch`);
  }
  if (wanted !== null && endpoint !== wanted) {
    return reject(
      item,
      'url_mismatch',
      `${where}: the line is for ${endpoint}, the job for ${wanted}`,
    );
  }
  const { model: own, ...rest } = line.body;
  return prepare(item, { endpoint, output: null }, { model: model ?? own, ...rest }, lineId);
}
