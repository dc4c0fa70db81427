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
}

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
    maxFiles: 500,
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
    maxFiles: 500,
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
    maxFiles: 10_000,
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
