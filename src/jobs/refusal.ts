import { ServiceError } from '../core/errors.ts';

/**
 * The code of a definite refusal, which ends the matter: a role that may not delete must not keep a
 * job from its end, and what could not be cancelled is seen again at the next poll.
 */
export async function refusalOf(call: Promise<unknown>): Promise<string | null> {
  try {
    await call;
    return null;
  } catch (error) {
    if (error instanceof ServiceError && error.outcome === 'refused' && !error.retryable) {
      return error.code;
    }
    throw error;
  }
}
