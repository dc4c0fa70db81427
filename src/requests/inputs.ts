import type { Endpoint } from '../core/request.ts';

/** What one batch may hold of texts to embed, however many requests they are in. */
export const MAX_EMBEDDING_INPUTS = 50_000;

/**
 * How many inputs a request counts for against that limit: a text, or a text that is encoded as
 * tokens already, is one. 0 for endpoints without such a limit.
 */
export function embeddingInputs(endpoint: Endpoint, input: unknown): number {
  if (endpoint !== '/embeddings') return 0;
  return Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1;
}
