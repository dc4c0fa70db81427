import { UsageError } from '../core/errors.ts';
import type { Dialect } from '../core/service.ts';

/** The port's dialect and what only the client needs of it. */
export interface ServiceDialect extends Dialect {
  /** Appended to an endpoint that does not end in it. */
  readonly basePath: string;
  /** Value of the `api-version` query parameter when the user gives none; null sends none. */
  readonly apiVersion: string | null;
  /** Header in which a key travels; a token is always a Bearer. */
  readonly keyHeader: 'api-key' | 'authorization';
  /** Put before the endpoint in the body of a create. */
  readonly endpointPrefix: '' | '/v1';
  /** How an upload spells when its file expires, and the first api-version that hears it. */
  readonly expiry: { readonly spelling: 'dotted' | 'brackets'; readonly from: string | null };
  /** Input files with an expiry that one resource holds. */
  readonly maxExpiringFiles: number;
  /** The first preview whose list of batches hears a `$filter`; null for none. */
  readonly listFilterFrom: string | null;
}

/** A dialect at one api-version. */
export interface VersionDialect extends ServiceDialect {
  readonly listFilter: boolean;
  /** Fields of an upload's form that let its file expire; null where they are not heard. */
  readonly expiresAfter: Readonly<Record<string, string>> | null;
}

/**
 * Of an input file: 14 days, the least that every service documents. A batch takes a day, and the
 * file is deleted once its answers are read; this is for what a lost job leaves behind.
 */
const FILE_LIFE_SECONDS = 14 * 24 * 60 * 60;

const NO_EXPIRY_FILES = 500;
const EXPIRING_FILES = 10_000;

const MAX_FILE_BYTES = 200 * 1000 * 1000; // 200 MB, read as 10^6: the smaller of the two readings

/**
 * On Azure the headers of a create once showed 139 enqueued tokens for lines of 85 true tokens.
 */
const AZURE_ENQUEUED_FACTOR = 1.64;

export const DIALECTS: Readonly<Record<Dialect['name'], ServiceDialect>> = {
  azure: {
    name: 'azure',
    basePath: '/openai',
    apiVersion: '2024-10-21',
    keyHeader: 'api-key',
    endpointPrefix: '',
    lineUrlPrefix: '',
    maxRequestsPerFile: 100_000,
    maxFileBytes: MAX_FILE_BYTES,
    maxFiles: NO_EXPIRY_FILES,
    maxExpiringFiles: EXPIRING_FILES,
    expiry: { spelling: 'dotted', from: '2025-03-01' },
    listFilterFrom: '2024-10-01',
    enqueuedTokenFactor: AZURE_ENQUEUED_FACTOR,
  },
  'azure-v1': {
    name: 'azure-v1',
    basePath: '/openai/v1',
    apiVersion: null,
    keyHeader: 'api-key',
    // Lines carry /v1, a create does not: that is how the service's own guide writes them.
    endpointPrefix: '',
    lineUrlPrefix: '/v1',
    maxRequestsPerFile: 100_000,
    maxFileBytes: MAX_FILE_BYTES,
    maxFiles: NO_EXPIRY_FILES,
    maxExpiringFiles: EXPIRING_FILES,
    expiry: { spelling: 'dotted', from: null },
    listFilterFrom: null,
    enqueuedTokenFactor: AZURE_ENQUEUED_FACTOR,
  },
  openai: {
    name: 'openai',
    basePath: '/v1',
    apiVersion: null,
    keyHeader: 'authorization',
    endpointPrefix: '/v1',
    lineUrlPrefix: '/v1',
    maxRequestsPerFile: 50_000,
    maxFileBytes: MAX_FILE_BYTES,
    // No limit by number is documented; inputs expire after 30 days.
    maxFiles: EXPIRING_FILES,
    maxExpiringFiles: EXPIRING_FILES,
    expiry: { spelling: 'brackets', from: null },
    listFilterFrom: null,
    // A guess: no reading of how this service counts was found.
    enqueuedTokenFactor: 1.0,
  },
};

/**
 * The dialect that an endpoint's path names: none or `…/openai` is azure, `…/openai/v1` azure-v1,
 * `…/v1` openai. A gateway may put its own path before. Throws a UsageError for any other path.
 */
export function dialectOf(endpoint: string | URL): ServiceDialect {
  const url = new URL(endpoint);
  const path = url.pathname.replace(/\/+$/, '');
  if (path.endsWith('/openai/v1')) return DIALECTS['azure-v1'];
  if (path === '' || path.endsWith('/openai')) return DIALECTS.azure;
  if (path.endsWith('/v1')) return DIALECTS.openai;
  throw new UsageError(
    `the service URL ${url.origin}${path} does not say which API it is: give the resource's address ` +
      'without a path (Azure OpenAI), or ending in /openai/v1 (Azure v1) or /v1 (OpenAI)',
  );
}

/** What the dialect is at an api-version, such as `2024-10-21` or `2025-04-01-preview`. */
export function atVersion(dialect: ServiceDialect, apiVersion: string | null): VersionDialect {
  const { expiry, listFilterFrom } = dialect;
  // Earlier versions take the fields and do nothing: the smaller quota holds for them.
  const expires = expiry.from === null || (apiVersion ?? '') >= expiry.from;
  const [seconds, anchor] =
    expiry.spelling === 'dotted'
      ? ['expires_after.seconds', 'expires_after.anchor']
      : ['expires_after[seconds]', 'expires_after[anchor]'];
  return {
    ...dialect,
    maxFiles: expires ? dialect.maxExpiringFiles : dialect.maxFiles,
    expiresAfter: expires ? { [seconds]: String(FILE_LIFE_SECONDS), [anchor]: 'created_at' } : null,
    listFilter:
      listFilterFrom !== null &&
      apiVersion?.endsWith('-preview') === true &&
      apiVersion >= listFilterFrom,
  };
}
