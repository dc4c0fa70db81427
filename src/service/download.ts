import { errorMessage, ServiceError } from '../core/errors.ts';
import type { Download } from '../core/service.ts';
import type { Answer, Outcome } from './answer.ts';
import { badAnswer, shorten } from './failure.ts';
import { count } from './wire.ts';

const BLOCK_BYTES = 256 * 1024; // what a reader of lines likes to get at once

/** The answer to a request for a file's content, as a stream from the offset that it begins at. */
export async function readDownload(
  answer: Answer,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<Outcome<Download>> {
  const encoding = answer.header('content-encoding') ?? 'identity';
  const page = answer.header('content-type')?.includes('text/html') === true;
  if (page || encoding !== 'identity') {
    answer.destroy();
    const what = page ? 'an HTML page' : `a body in the encoding ${encoding}`;
    return badAnswer(answer.call, answer.status, `${what} instead of the file`);
  }
  const start = answer.status === 206 ? rangeStart(answer.header('content-range'), offset) : 0;
  if (start === null) {
    answer.destroy();
    return badAnswer(answer.call, answer.status, 'another range than the one asked for');
  }
  const length = count(answer.header('content-length'));
  answer.keep();
  // Nobody asks for bytes yet: from here on the clock runs only while a reader waits.
  answer.deadline.pause();
  return { value: { length, offset: start, body: blocks(answer, length, signal) } };
}

/** Nothing more to come: the file ends where the range would begin. */
export function emptyDownload(offset: number): Download {
  return { length: 0, offset, body: none() };
}

async function* none(): AsyncGenerator<Uint8Array> {}

/** A body in blocks of a good size, cut off when nothing comes for too long: then `download_cut`. */
export async function* blocks(
  answer: Pick<Answer, 'call' | 'status' | 'body' | 'deadline' | 'destroy'>,
  length: number | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { deadline } = answer;
  const chunks = answer.body[Symbol.asyncIterator]();
  let gathered: Buffer[] = [];
  let size = 0;
  let read = 0;
  let end: ServiceError | 'whole' | undefined;
  try {
    while (end === undefined) {
      deadline.touch();
      try {
        const next = await chunks.next();
        if (next.done === true) {
          // A body shorter or longer than announced never gets here: undici throws.
          end = 'whole';
        } else {
          gathered.push(next.value);
          size += next.value.length;
          read += next.value.length;
        }
      } catch (error) {
        signal?.throwIfAborted();
        end = cut(answer, read, length, error);
      }
      deadline.pause();
      if (size >= BLOCK_BYTES || (end !== undefined && size > 0)) {
        // What came before a cut is handed on, so that the next try can begin after it.
        const block = gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered, size);
        gathered = [];
        size = 0;
        yield block;
      }
    }
    if (end !== 'whole') throw end;
  } finally {
    answer.destroy();
    deadline[Symbol.dispose]();
  }
}

function cut(
  answer: Parameters<typeof blocks>[0],
  read: number,
  length: number | null,
  cause: unknown,
): ServiceError {
  const of = length === null ? '' : ` of ${length}`;
  const why = answer.deadline.expired ? 'nothing came for too long' : shorten(errorMessage(cause));
  return new ServiceError(
    'download_cut',
    `${answer.call} was cut after ${read}${of} bytes: ${why}. Ask for the rest`,
    { status: answer.status, outcome: 'unknown', retryable: true, cause },
  );
}

/** The first byte of `bytes 100-199/200`; null when it does not begin where it was asked to. */
function rangeStart(range: string | undefined, offset: number): number | null {
  const start = /^bytes (\d+)-/.exec(range ?? '')?.[1];
  return start === undefined || Number(start) === offset ? offset : null;
}
