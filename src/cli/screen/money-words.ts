import type { JobStatus } from '../../jobs/status.ts';
import { money, number, plural } from './words.ts';

const BASIS: Readonly<Record<JobStatus['cost']['output_basis'], string>> = {
  learnt: 'as learnt',
  bound: 'at most',
  none: 'no output',
  unknown: 'output not known yet',
};

const NO_PRICE = 'unknown: no price for this model (name one with --base-model)';

/** What a job cost that is over, or so far. */
export function paidInWords({ cost: { actual, currency } }: Pick<JobStatus, 'cost'>): string {
  return actual === null ? NO_PRICE : `about ${money(actual, currency)} at batch prices`;
}

/** What the local service asks for its answers, and what others would have. */
export function freeCost({ cost: { actual, currency } }: Pick<JobStatus, 'cost'>): string {
  const would = actual === null ? '' : ` (${money(actual, currency)} at batch prices)`;
  return `none: answers of the local service${would}`;
}

/** What the job cost so far and what all of it is taken to; once it is over, what it cost. */
export function costInWords(status: Pick<JobStatus, 'cost' | 'sample' | 'state'>): string {
  const { cost, sample } = status;
  const { estimated, estimated_output: output, output_basis: basis, actual, currency } = cost;
  if (status.state === 'finished') return paidInWords(status);
  if (estimated === null || actual === null) return NO_PRICE;
  const all = `all: input ${money(estimated, currency)}`;
  const out = output === null || basis === 'none' ? '' : `, output ${money(output, currency)}`;
  const how = sample?.state === 'running' ? 'the sample goes first' : BASIS[basis];
  return `${money(actual, currency)} so far; ${all}${out} (${how})`;
}

/** Input tokens as they were counted, beside what the service reports for the same requests. */
export function tokensInWords({ tokens }: Pick<JobStatus, 'tokens'>): string {
  const { estimated, actual, cached, output, reasoning, measured } = tokens;
  const off =
    measured.actual === 0 ? null : (100 * (measured.estimated - measured.actual)) / measured.actual;
  const compared = off === null ? '' : ` (counted ${off < 0 ? '' : '+'}${off.toFixed(1)} %)`;
  return (
    `in ${number(actual)}${compared}, estimated ${number(estimated)}` +
    `${cached > 0 ? `, ${number(cached)} cached` : ''}, ` +
    `out ${number(output)}${reasoning > 0 ? ` (${number(reasoning)} reasoning)` : ''}`
  );
}

/** What the records that went first came to, and what all will come to by that. */
export function sampleInWords({ sample, cost }: Pick<JobStatus, 'sample' | 'cost'>): string[] {
  if (sample === null) return [];
  const { tokens, forecast } = sample;
  const { currency } = cost;
  const lines = [
    `${plural(sample.requests, 'answer')}: ${number(sample.ok)} ok, ${number(sample.failed)} failed, ` +
      `${number(sample.again)} to be tried again`,
    `${number(tokens.input)} in (counted ${number(tokens.estimated)}), ${number(tokens.output)} out` +
      `${tokens.reasoning > 0 ? `, ${number(tokens.reasoning)} of them reasoning` : ''}: ${money(sample.cost, currency)}`,
  ];
  if (forecast === null) return [...lines, 'no row is ok: nothing can be said of the rest'];
  return [
    ...lines,
    `all ${number(forecast.requests)} by that: ${number(forecast.input)} in, ${number(forecast.output)} out, ` +
      `about ${money(forecast.cost, currency)}; about ${number(forecast.failed)} failed`,
  ];
}
