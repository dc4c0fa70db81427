import { UsageError } from '../core/errors.ts';
import type { Endpoint } from '../core/request.ts';

export const ENDPOINTS = [
  '/chat/completions',
  '/responses',
  '/embeddings',
  '/completions',
] as const satisfies readonly Endpoint[];
export const DEFAULT_ENDPOINT: Endpoint = '/chat/completions';

/**
 * The endpoint that a line's `url` names, or undefined: `/v1` and what stands before it, a query
 * and a final slash do not count.
 */
export function endpointOfUrl(url: unknown): Endpoint | undefined {
  if (typeof url !== 'string') return undefined;
  const path = url.replace(/[?#].*$/s, '').replace(/\/$/, '');
  const bare = path.replace(/^.*\/v1(?=\/)/s, '');
  return ENDPOINTS.find((endpoint) => endpoint === bare);
}

/** As `endpointOfUrl`, of an option; throws a UsageError that lists what there is. */
export function requireEndpoint(url: string | undefined): Endpoint {
  if (url === undefined) return DEFAULT_ENDPOINT;
  const endpoint = endpointOfUrl(url);
  if (endpoint !== undefined) return endpoint;
  throw new UsageError(`there is no endpoint ${url}; use one of ${ENDPOINTS.join(', ')}`);
}
