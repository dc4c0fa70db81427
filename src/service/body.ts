import { Readable } from 'node:stream';
import type { Deadline } from './deadline.ts';

/** What a slow line must carry away within the deadline; a whole block may be several MiB. */
const STEP_BYTES = 256 * 1024;

/** A request body of known length that can be opened again for another try. */
export interface StreamedBody {
  readonly contentType: string;
  /** Exact length in bytes. */
  readonly length: number;
  /** How many times the usual time an answer may take after the last byte. Default 1. */
  readonly answerFactor?: number;
  open(): AsyncIterable<Uint8Array>;
}

/** A value as JSON, in one block. */
export function jsonBody(value: unknown): StreamedBody {
  const bytes = Buffer.from(JSON.stringify(value));
  return {
    contentType: 'application/json',
    length: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}

/**
 * A body as a stream that moves the deadline along with each block. It remembers whether it was
 * asked for at all, which is when a connection stood; and an error of its own source, which is not
 * the service's fault and not to be tried again.
 */
export function watched(body: StreamedBody, deadline: Deadline, timeoutMs: number) {
  let begun = false;
  let given = 0;
  let failure: unknown;
  async function* blocks(from: StreamedBody) {
    begun = true;
    try {
      for await (const block of from.open()) {
        for (let at = 0; at < block.length; at += STEP_BYTES) {
          deadline.touch();
          const step = block.subarray(at, at + STEP_BYTES);
          given += step.length;
          yield step;
        }
      }
      deadline.touch(timeoutMs * (from.answerFactor ?? 1));
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  const stream = Readable.from(blocks(body), { objectMode: false });
  // It may fail after an early answer, when nobody listens any more.
  stream.on('error', () => undefined);
  return {
    headers: { 'content-type': body.contentType, 'content-length': String(body.length) },
    stream,
    begun: () => begun,
    /** Whether all of it was handed out: before that, nobody can have the whole body. */
    whole: () => given >= body.length,
    failure: () => failure,
  };
}
