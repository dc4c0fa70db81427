import type { Clock } from '../core/clock.ts';
import { errorMessage, MillraceError, ServiceError } from '../core/errors.ts';
import type { TokenCredential } from '../core/service.ts';
import { orAbort } from './deadline.ts';
import type { Cloud } from './endpoint.ts';
import { shorten } from './failure.ts';

/**
 * What proves who is calling. `header` gives the header of one try; `refused` is told when the
 * service answered 401 to it and says whether another try with a fresh one makes sense; `redact`
 * takes the secret out of words that somebody else wrote; `describe` names what it is, without it.
 */
export interface Authorizer {
  describe(): string;
  header(signal?: AbortSignal): Promise<Header>;
  refused(header: Header): boolean;
  redact(text: string): string;
}

export interface Header {
  readonly name: string;
  readonly value: string;
}

/** A key that does not change. */
export function keyAuthorizer(
  key: string,
  name: 'api-key' | 'authorization',
  words = 'a key',
): Authorizer {
  const header = { name, value: name === 'authorization' ? `Bearer ${key}` : key };
  return {
    describe: () => words,
    header: async () => header,
    refused: () => false,
    redact: (text) => text.replaceAll(key, '***'),
  };
}

const REFRESH_EARLY_MS = 5 * 60 * 1000; // 5 min before a token expires
const TOKEN_TIMEOUT_MS = 60 * 1000; // 60 s for a token to be got

/**
 * A token for one scope, held until shortly before it expires and shared by all who call: however
 * many find it old or refused, one new token is asked for. Failures are ServiceErrors of code
 * `auth_failed` and outcome `unsent`.
 */
export function tokenAuthorizer(
  credential: TokenCredential,
  scope: string,
  clock: Clock,
  timeoutMs: number = TOKEN_TIMEOUT_MS,
): Authorizer {
  let held: { token: string; expiresAt: number } | undefined;
  let asked: Promise<string> | undefined;
  /** It gave a token before. */
  let proven = false;
  let winner: string | null = null;

  const ask = async (): Promise<string> => {
    // The caller's own signal is not passed on: others may wait for the same token.
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const got = await orAbort(
        getToken(credential, scope, limit, (name) => {
          winner = name;
        }),
        limit,
      );
      if (!got?.token) throw new Error('the credential gave no token');
      held = { token: got.token, expiresAt: got.expiresOnTimestamp };
      proven = true;
      return got.token;
    } catch (error) {
      // A token that is still good for minutes outlives an identity service that is down.
      if (held !== undefined && clock.now() < held.expiresAt) return held.token;
      const cause = limit.aborted ? new Error('no answer in time', { cause: error }) : error;
      throw authFailed(cause, proven);
    }
  };

  return {
    describe: () => credentialWords(credential, winner),
    async header(signal) {
      const current = held;
      if (current !== undefined && clock.now() < current.expiresAt - REFRESH_EARLY_MS) {
        return bearer(current.token);
      }
      asked ??= ask().finally(() => {
        asked = undefined;
      });
      return bearer(await orAbort(asked, signal));
    },
    refused(header) {
      // Another call may have brought a new one since.
      if (held !== undefined && header.value === bearer(held.token).value) held = undefined;
      return true;
    },
    redact: (text) => (held === undefined ? text : text.replaceAll(held.token, '***')),
  };
}

/** What a chain of @azure/identity does inside: it tells which of its members gave the token. */
interface TellingChain {
  getTokenInternal(
    scope: string,
    options: { abortSignal: AbortSignal },
  ): Promise<{ token: AccessToken; successfulCredential: object }>;
}

type AccessToken = Awaited<ReturnType<TokenCredential['getToken']>>;

/** A token, and the name of the credential that gave it where there is a choice of several. */
async function getToken(
  credential: TokenCredential,
  scope: string,
  abortSignal: AbortSignal,
  told: (winner: string) => void,
): Promise<AccessToken> {
  if (!isTellingChain(credential)) return credential.getToken(scope, { abortSignal });
  const { token, successfulCredential } = await credential.getTokenInternal(scope, { abortSignal });
  told(successfulCredential.constructor.name);
  return token;
}

/** Nothing promises that it tells: a chain that does not is named as a whole. */
function isTellingChain(
  credential: TokenCredential | (TokenCredential & TellingChain),
): credential is TokenCredential & TellingChain {
  return 'getTokenInternal' in credential && typeof credential.getTokenInternal === 'function';
}

/** `AzureCliCredential of DefaultAzureCredential`, as far as it is known. */
function credentialWords(credential: TokenCredential, winner: string | null): string {
  const { name } = credential.constructor;
  if (name === '' || name === 'Object') return 'a credential of your own';
  return winner === null || winner === name ? name : `${winner} of ${name}`;
}

function bearer(token: string): Header {
  return { name: 'authorization', value: `Bearer ${token}` };
}

/** Names of @azure/identity's errors that no waiting heals. */
const LASTING: ReadonlySet<string> = new Set([
  'CredentialUnavailableError',
  'AuthenticationRequiredError',
  'AggregateAuthenticationError',
]);

/** Words of somebody who has to log in again. */
const LOG_IN = /\baz login\b|AADSTS\d+/;

/**
 * The failure of a token that could not be got; `retryable` unless it is known that no waiting heals
 * it. @azure/identity calls a credential unavailable also when its authority cannot be reached for a
 * moment, or answers 503: one that is `proven`, as it has given a token before, is only away.
 */
export function authFailed(cause: unknown, proven = false): ServiceError {
  const name = cause instanceof Error ? cause.name : '';
  const status =
    typeof cause === 'object' && cause !== null && 'statusCode' in cause ? cause.statusCode : 0;
  const unavailable = LASTING.has(name) && !(proven && !LOG_IN.test(errorMessage(cause)));
  const lasting = unavailable || status === 400 || status === 401;
  return new ServiceError(
    'auth_failed',
    `no token could be got: ${sentence(cause)} Log in (az login), choose another --auth, ` +
      'or set AZURE_OPENAI_API_KEY',
    { status: null, outcome: 'unsent', retryable: !lasting, cause },
  );
}

/** Somebody else's words, ended by one full stop. */
function sentence(error: unknown): string {
  return `${shorten(errorMessage(error)).replace(/\.+$/, '')}.`;
}

export type CredentialKind = 'default' | 'managed-identity' | 'workload' | 'cli';

/**
 * A credential of @azure/identity, which is loaded only here. `cloud` sets the authority of a
 * sovereign cloud unless AZURE_AUTHORITY_HOST does. Throws `auth_failed` when it cannot be made.
 */
export async function loadCredential(
  kind: CredentialKind,
  cloud?: Cloud,
): Promise<TokenCredential> {
  const authority =
    cloud === undefined || process.env.AZURE_AUTHORITY_HOST
      ? {}
      : { authorityHost: cloud.authorityHost };
  try {
    const identity = await import('@azure/identity');
    switch (kind) {
      case 'default':
        return new identity.DefaultAzureCredential(authority);
      case 'managed-identity': {
        const clientId = process.env.AZURE_CLIENT_ID;
        return clientId
          ? new identity.ManagedIdentityCredential({ clientId, ...authority })
          : new identity.ManagedIdentityCredential(authority);
      }
      case 'workload':
        return new identity.WorkloadIdentityCredential(authority);
      case 'cli':
        return new identity.AzureCliCredential();
    }
  } catch (error) {
    throw new MillraceError(
      'auth_failed',
      `the credential "${kind}" cannot be used here: ${sentence(error)} Choose another ` +
        '--auth, or set AZURE_OPENAI_API_KEY',
      { cause: error },
    );
  }
}
