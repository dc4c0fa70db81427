import type { RequestSpec } from '../core/job.ts';
import type { Totals } from '../core/store.ts';

/** What a request's answer is taken to have of output tokens, and how that is known. */
export interface OutputEstimate {
  /** Tokens of one answer, a fraction perhaps; null when nothing is known yet. */
  readonly perRequest: number | null;
  /**
   * `learnt`: the mean of the answers so far, and a tenth more. `bound`: the most that the request
   * allows, before there are answers. `none`: the endpoint writes nothing.
   */
  readonly basis: 'learnt' | 'bound' | 'none' | 'unknown';
}

/** Put on top of the mean of the answers so far. */
const MARGIN = 1.1;

/** From so many answers on, their mean is believed rather than the bound. */
const ENOUGH_ANSWERS = 20;

const BOUNDS = ['max_completion_tokens', 'max_tokens', 'max_output_tokens'] as const;

export function outputEstimate(
  request: RequestSpec | null,
  totals: Pick<Totals, 'ok' | 'outputTokens'>,
): OutputEstimate {
  if (request?.endpoint === '/embeddings') return { perRequest: 0, basis: 'none' };
  const bound = outputBound(request);
  const mean = totals.ok === 0 ? null : (totals.outputTokens / totals.ok) * MARGIN;
  if (mean !== null && (totals.ok >= ENOUGH_ANSWERS || bound === null)) {
    return { perRequest: Math.min(mean, bound ?? Infinity), basis: 'learnt' };
  }
  return bound === null
    ? { perRequest: null, basis: 'unknown' }
    : { perRequest: bound, basis: 'bound' };
}

/** The most tokens that every request of the job lets an answer have, or null when it does not say. */
function outputBound(request: RequestSpec | null): number | null {
  const template = objectOf(request?.template);
  const body = { ...objectOf(template?.body), ...objectOf(template?.parameters) };
  const bound = BOUNDS.map((name) => body[name]).find((value) => typeof value === 'number');
  if (bound === undefined) return null;
  return Number(bound) * (typeof body.n === 'number' ? body.n : 1);
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}
