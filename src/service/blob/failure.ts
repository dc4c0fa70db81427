import { errorCode, ServiceError } from '../../core/errors.ts';
import { retryAfterMs } from '../../core/retry.ts';
import { type Failure, lost, shorten } from '../failure.ts';

const RETRY_STATUSES: ReadonlySet<number> = new Set([408, 429]);

/** What a person can do about a refusal, by the storage service's code or the status. */
const HINTS: Readonly<Record<string, string>> = {
  ContainerNotFound: 'make the container first, or correct --blob-container',
  401: 'check the credential, and that it belongs to this storage account',
  403: 'the identity needs the role Storage Blob Data Contributor on the container; a shared access signature needs read, write, delete and list',
};

/** An error of the storage package, as far as it is looked at. */
interface RestFailure {
  readonly statusCode?: unknown;
  readonly message: string;
  readonly response?: { readonly headers?: { get(name: string): string | undefined } };
}

/** What a try that ended in an error of the storage package stands for. `call` is for the message. */
export function blobFailure(
  call: string,
  error: unknown,
  redact: (text: string) => string,
  now: number,
): Failure {
  if (error instanceof ServiceError) return { error, again: error.retryable };
  const { statusCode: status, message, response } = restFailure(error);
  const words = shorten(redact(firstLine(message)));
  if (typeof status !== 'number') {
    // The package's error holds the request with its secrets: only its words and code go on.
    return lost(call, Object.assign(new Error(words), { code: errorCode(error) }));
  }
  const header = (name: string) => response?.headers?.get(name);
  const code = codeOf(errorCode(error) ?? header('x-ms-error-code'), status);
  const again = RETRY_STATUSES.has(status) || status >= 500;
  const hint = HINTS[code] ?? HINTS[status];
  const requestId = header('x-ms-request-id');
  return {
    again,
    error: new ServiceError(
      code,
      `${call} answered ${status}${code === `http_${status}` ? '' : ` ${code}`}: ${words}` +
        (hint === undefined ? '' : ` – ${hint}`) +
        (requestId === undefined ? '' : ` (request id ${requestId})`),
      {
        status,
        outcome: status < 500 ? 'refused' : 'unknown',
        retryable: again,
        retryAfterMs: retryAfterMs(header, now),
        requestId,
      },
    ),
  };
}

function restFailure(error: unknown): RestFailure {
  if (typeof error === 'object' && error !== null && 'message' in error) {
    return error as RestFailure;
  }
  return { message: String(error) };
}

function codeOf(code: string | undefined, status: number): string {
  return code !== undefined && /^[A-Za-z]\w{0,63}$/.test(code) ? code : `http_${status}`;
}

/** The storage service puts ids and times on further lines, and some of the request's own words. */
function firstLine(message: string): string {
  return message.split('\n')[0] ?? '';
}
