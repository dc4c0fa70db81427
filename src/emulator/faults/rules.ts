import type { WireCode } from '../http/errors.ts';

/** The operations that a call can be. */
export const CALLS = [
  'files.upload',
  'files.list',
  'files.get',
  'files.content',
  'files.delete',
  'batches.create',
  'batches.list',
  'batches.get',
  'batches.cancel',
  'models.list',
] as const;

export type Call = (typeof CALLS)[number];

/** When a rule acts. Without any of these it acts always. All that are given must hold. */
export interface When {
  /** On these occasions, counted from 1: the calls that match, the files, the batches, the lines of a file. */
  readonly nth?: number | readonly number[];
  /** Not before this many occasions have passed. */
  readonly after?: number;
  /** At most so often. For lines: so many lines from the first that may. */
  readonly count?: number;
  /** With this probability, drawn from the seed. */
  readonly probability?: number;
  /** For `line` and `output`: only in batches of these numbers, counted from 1. */
  readonly batch?: number | readonly number[];
  /** For `line`: only these requests. */
  readonly customIds?: readonly string[];
}

/** What can go wrong with a call. */
export type CallAction =
  /** Answers with a status and, by default, an error body of that status; nothing is done. */
  | {
      readonly do: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: unknown;
      /** `retry-after` in seconds, or as a date so many seconds ahead, or `retry-after-ms`. */
      readonly retryAfterSeconds?: number;
      readonly retryAfterDateSeconds?: number;
      readonly retryAfterMs?: number;
      /** `x-should-retry`. */
      readonly shouldRetry?: boolean;
      /** For an upload: not before this many bytes of the file came in. */
      readonly afterBytes?: number;
    }
  /** Answers with an entry of the catalogue of errors; nothing is done. */
  | { readonly do: 'refuse'; readonly error: WireCode }
  /** Cuts the connection; nothing is done. For an upload: after so many bytes of the file. */
  | { readonly do: 'cut-before'; readonly afterBytes?: number }
  /** Does it and cuts the connection instead of answering: a lost answer. */
  | { readonly do: 'cut-after' }
  /** Never answers; `done` says whether it is done all the same. */
  | { readonly do: 'hang'; readonly done?: boolean }
  /** Waits so many real ms, then goes on. */
  | { readonly do: 'delay'; readonly ms: number }
  /** Answers 200 with a body that is cut short, so that it is no JSON. */
  | { readonly do: 'bad-json' }
  /** For content: cuts the connection after so many bytes of the body. */
  | { readonly do: 'cut-body'; readonly afterBytes: number }
  /** For content: ends the body early, in an orderly way, with no length announced. */
  | { readonly do: 'short-body'; readonly bytes: number }
  /** For content: sends so many bytes a second. */
  | { readonly do: 'slow-body'; readonly bytesPerSecond: number };

/** What can be wrong with an uploaded file. */
export type FileAction =
  /** It stays pending for so many seconds of the service's time. */
  | { readonly do: 'pending'; readonly seconds: number }
  /** It becomes `error` and is never processed. */
  | { readonly do: 'error' }
  /** Lists do not show it for so many real ms. */
  | { readonly do: 'hide'; readonly ms: number };

/** What can become of a batch. `share` (0 to 1) is the part of its requests that is answered first. */
export type BatchAction =
  | {
      readonly do: 'fail';
      readonly code: string;
      readonly message?: string;
      readonly line?: number;
      readonly share?: number;
    }
  | { readonly do: 'expire'; readonly share?: number }
  | { readonly do: 'cancel'; readonly share?: number }
  /** It is never done; it can be cancelled. */
  | { readonly do: 'stall'; readonly share?: number }
  /** It is refused for enqueued tokens, as the profile does or as `how` says. */
  | { readonly do: 'token-limit'; readonly how?: 'refuse' | 'fail' }
  /** Lists do not show it for so many real ms. */
  | { readonly do: 'hide'; readonly ms: number }
  /** It ends without this file, although there were lines for it. */
  | { readonly do: 'no-file'; readonly which: 'output' | 'error' | 'both' }
  /** It names its files, and their content is not there. */
  | { readonly do: 'lost-content' };

/** What can become of one request. */
export type LineAction =
  /** Answered with this status, in this file; status 0 is a line that was never answered. */
  | { readonly do: 'status'; readonly status: number; readonly into?: 'output' | 'error' }
  | { readonly do: 'content-filter'; readonly into?: 'output' | 'error' }
  /** In neither file. */
  | { readonly do: 'missing' }
  /** Twice: in the same file, or in both. */
  | { readonly do: 'duplicate'; readonly into?: 'same' | 'both' }
  /** Followed by a line whose id nobody asked for. */
  | { readonly do: 'unknown-id' }
  /** The answer's text holds U+2028, U+2029 and U+0085 as they are. */
  | { readonly do: 'raw-separators' };

/** What can be odd about the files of a batch as a whole. */
export type OutputAction =
  | { readonly do: 'bom' }
  | { readonly do: 'blank-line' }
  | { readonly do: 'no-final-newline' };

export type CallRule = When & { readonly on: Call | '*' | readonly Call[] } & CallAction;
export type FileRule = When & { readonly on: 'file' } & FileAction;
export type BatchRule = When & { readonly on: 'batch' } & BatchAction;
export type LineRule = When & { readonly on: 'line' } & LineAction;
export type OutputRule = When & { readonly on: 'output' } & OutputAction;

export type FaultRule = CallRule | FileRule | BatchRule | LineRule | OutputRule;

/** Batches that somebody else makes on the same resource. */
export interface Foreign {
  readonly batches: number;
  /** The deployment whose tokens they take. */
  readonly deployment: string;
  /** Tokens charged for each, while it lives. Default 0. */
  readonly tokens?: number;
  /** Seconds of the service's time that each takes. Default as any other. */
  readonly seconds?: number;
}

/** What goes wrong: rules that act when their time comes, and what others do from the start. */
export interface FaultScript {
  readonly rules?: readonly FaultRule[];
  readonly foreign?: readonly Foreign[];
}
