import type { Deadline } from './deadline.ts';
import type { Failure } from './failure.ts';
import { badAnswer, parse } from './failure.ts';

const MAX_JSON_BYTES = 64 * 1024 * 1024; // a page of a list is far below

/** A 2xx whose body is still to be read. */
export interface Answer {
  /** Method and path, for messages. */
  readonly call: string;
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Buffer>;
  /** Cuts the body. */
  destroy(): void;
  readonly deadline: Deadline;
  /** The reader goes on after `run` has resolved, and disposes of the deadline itself. */
  keep(): void;
}

export type Outcome<R> = { readonly value: R } | Failure;

/** Reads a body of JSON whole; `convert` gives null for JSON that is not what the call gives. */
export function readJson<R>(what: string, convert: (value: unknown, answer: Answer) => R | null) {
  return async (answer: Answer): Promise<Outcome<R>> => {
    const body = await readText(answer.body, MAX_JSON_BYTES);
    const json = parse(body);
    const value = json === undefined ? null : convert(json, answer);
    if (value !== null) return { value };
    const type = answer.header('content-type') ?? 'no content type';
    const found =
      json === undefined ? `${body.length} characters (${type}) that are not JSON` : 'JSON';
    return badAnswer(answer.call, answer.status, `${found} instead of ${what}`);
  };
}

/** Up to `max` bytes of a body as text; what is beyond is not read. */
export async function readText(body: AsyncIterable<Buffer>, max: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= max) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, max);
}
