import { errorCode, MillraceError } from '../core/errors.ts';
import type { RowError } from '../core/record.ts';
import type { CountedRequest, Endpoint } from '../core/request.ts';
import { describePosition } from '../requests/position.ts';
import { recordLine, requestLine } from './format.ts';

/** What every line of a job has in common: a file with two endpoints or models is refused whole. */
export interface JobHead {
  readonly endpoint: Endpoint;
  /** The job's own model: the deployment that the lines are sealed with. */
  readonly model: string;
}

/** Both lines of one request, without their newlines. */
export interface SealedLines {
  readonly request: string;
  readonly requestBytes: number;
  readonly record: string;
  readonly recordBytes: number;
}

/** Writes the two lines of a request, or says why there cannot be any. */
export function serialise(
  item: CountedRequest<unknown>,
  ordinal: number,
  customId: string,
  head: JobHead,
): SealedLines | RowError {
  if (item.endpoint !== head.endpoint) {
    return refuse(item, 'url_mismatch', `is for ${item.endpoint}, the job for ${head.endpoint}`);
  }
  if (item.body.model !== head.model) {
    return refuse(item, 'model_mismatch', `names another model than the job's ${head.model}`);
  }
  try {
    const request = requestLine(customId, item.endpoint, bodyJson(item.body, head.model));
    const record = recordLine(ordinal, recordJson(item.record));
    return {
      request,
      requestBytes: Buffer.byteLength(request),
      record,
      recordBytes: Buffer.byteLength(record),
    };
  } catch (error) {
    const why = errorCode(error) ?? 'a value that JSON does not have, a cycle, or too long a text';
    return refuse(item, 'request_failed', `cannot be written as JSON (${why})`);
  }
}

/** A record as JSON; one that JSON has no word for (undefined, a function) is null. */
export function recordJson(record: unknown): string {
  return JSON.stringify(record) ?? 'null';
}

/** The error of an item that cannot be sealed, with its place in the source. */
export function refuse(
  item: Pick<CountedRequest<unknown>, 'position'>,
  code: string,
  what: string,
): RowError {
  return { code, message: `the request of ${describePosition(item.position)} ${what}` };
}

function bodyJson(body: CountedRequest<unknown>['body'], model: string): string {
  const first = `{"model":${JSON.stringify(model)}`;
  const json = JSON.stringify(body);
  if (typeof json !== 'string') throw new MillraceError('not_json', 'the body is no JSON value');
  const next = json.startsWith(first) ? json.charCodeAt(first.length) : 0;
  if (next === COMMA || next === BRACE) return json;
  // The model must be the first key: its place in the line is how the upload finds it.
  const { model: _, ...rest } = body;
  const others = JSON.stringify(rest);
  return others === '{}' ? `${first}}` : `${first},${others.slice(1)}`;
}

const COMMA = 0x2c;
const BRACE = 0x7d;
