import { errorMessage, ServiceError } from '../core/errors.ts';
import type { Download } from '../core/service.ts';
import type { Answer, Outcome } from './answer.ts';
import { badAnswer, shorten } from './failure.ts';
import { count } from './wire.ts';

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

/**
 * A body as it comes, cut off when nothing comes for too long: then `download_cut`, behind all that
 * came before.
 */
export async function* blocks(
  answer: Pick<Answer, 'call' | 'status' | 'body' | 'deadline' | 'destroy'>,
  length: number | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { deadline } = answer;
  const chunks = answer.body[Symbol.asyncIterator]();
  let read = 0;
  try {
    for (;;) {
      deadline.touch();
      const next = await chunks.next().catch((error: unknown) => {
        signal?.throwIfAborted();
        throw cut(answer, read, length, error);
      });
      deadline.pause();
      // A body shorter or longer than announced never gets here: undici throws.
      if (next.done === true) return;
      read += next.value.length;
      yield next.value;
    }
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
