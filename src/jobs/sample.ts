import type { RequestSpec, Shard } from '../core/job.ts';
import type { JobRow, Reader, Sample, Totals, Transaction } from '../core/store.ts';
import { type Context, jobRow, log } from './context.ts';
import { priceOf } from './cost.ts';

/** The partition whose first records are the sample. */
const FIRST = 'p0000';
/** Shards that a sample lies in at most; a sample is mostly one. */
const MOST_SHARDS = 100;

/** What the first records came to, and what all of them would by that. */
export interface SampleStatus {
  readonly state: Sample['state'];
  /** Requests that were asked for, and those of them that are answered. */
  readonly wanted: number;
  readonly requests: number;
  readonly ok: number;
  readonly failed: number;
  /** Rows that are tried again with the rest. */
  readonly again: number;
  /** `estimated` before they were sent; the others as the answers report them. */
  readonly tokens: {
    readonly estimated: number;
    readonly input: number;
    readonly cached: number;
    readonly output: number;
    readonly reasoning: number;
  };
  readonly cost: number | null;
  /** For every request of the job, the sample included; null as long as there is no answer. */
  readonly forecast: {
    readonly requests: number;
    readonly failed: number;
    readonly input: number;
    readonly output: number;
    readonly cost: number | null;
  } | null;
}

/** Shards that go first while a sample runs, and whether all of their answers are there. */
export async function sampleShards(
  tx: Reader,
  sample: Sample,
): Promise<{ readonly shards: readonly Shard[]; readonly answered: boolean }> {
  const first = (await tx.partitions()).find(({ name }) => name === FIRST);
  const shards: Shard[] = [];
  let requests = 0;
  for (const shard of await tx.shards({ limit: MOST_SHARDS })) {
    if (shard.partition !== FIRST || requests >= sample.requests) break;
    shards.push(shard);
    requests += shard.requests;
  }
  const whole = requests >= sample.requests || first?.state === 'prepared';
  const over = shards.every(({ state }) => state === 'joined' || state === 'cleaned');
  // A shard of the sample that was cut in two goes on as these.
  const retries = await tx.shards({ states: ['sealed', 'waiting', 'ended', 'collecting'] });
  const cut = retries.some(({ partition }) => partition === null);
  return { shards, answered: whole && over && !cut && (await tx.openHolds()).every(isReleased) };
}

function isReleased({ releasedAt }: { releasedAt: number | null }): boolean {
  return releasedAt !== null;
}

/**
 * Ends the sample once it is answered and every record is prepared, so that the rest is known: the
 * job pauses until it is resumed, or goes on at once when that was asked for or there is no rest.
 */
export async function endSample(
  tx: Transaction,
  context: Context,
  job: JobRow,
): Promise<'paused' | 'over'> {
  const totals = await tx.totals();
  const status = await readSample(tx, job, totals);
  if (job.sample === null || status === null) return 'over';
  // Nobody needs to agree to what is done already.
  const goesOn = context.settings.sampleGoesOn || status.requests >= totals.requests;
  await tx.updateJob(job.version, {
    sample: { ...job.sample, state: goesOn ? 'over' : 'shown' },
    ...(goesOn ? {} : { state: 'paused', pause: reasonOf(status) }),
  });
  await log(tx, context, 'sampled', 'job', {
    requests: status.requests,
    ok: status.ok,
    failed: status.failed,
    cost: status.cost,
    forecast_cost: status.forecast?.cost ?? null,
    forecast_failed: status.forecast?.failed ?? null,
  });
  return goesOn ? 'over' : 'paused';
}

function reasonOf({ requests, forecast }: SampleStatus): string {
  return `the sample of ${requests} of ${forecast?.requests ?? requests} requests is answered; resume goes on with the rest`;
}

/** Asks for the first records to go first. A job that was sent something keeps to what it has. */
export async function wantSample(tx: Transaction, requests: number): Promise<void> {
  const job = await jobRow(tx);
  if (job.sample !== null || (await tx.totals()).attempts > 0) return;
  await tx.updateJob(job.version, { sample: { requests, state: 'running' } });
}

/** What the sample came to by now, or null when the job has none. */
export async function readSample(
  tx: Reader,
  { sample, spec }: Pick<JobRow, 'sample' | 'spec'>,
  totals: Totals,
): Promise<SampleStatus | null> {
  if (sample === null || sample === undefined) return null;
  const { shards } = await sampleShards(tx, sample);
  const sums = sum(shards);
  const { request } = spec;
  return {
    state: sample.state,
    wanted: sample.requests,
    requests: sums.requests,
    ok: sums.ok,
    failed: sums.failed,
    again: sums.again,
    tokens: sums.tokens,
    cost: priceOf(request, sums.tokens),
    forecast: sums.ok === 0 ? null : forecast(request, sums, totals),
  };
}

type Sums = ReturnType<typeof sum>;

function sum(shards: readonly Shard[]) {
  const total = (pick: (shard: Shard) => number) =>
    shards.reduce((all, shard) => all + pick(shard), 0);
  return {
    requests: total(({ ok, failed, leftover }) => ok + failed + leftover),
    ok: total(({ ok }) => ok),
    failed: total(({ failed }) => failed),
    again: total(({ leftover }) => leftover),
    tokens: {
      estimated: total(({ tokens }) => tokens),
      input: total(({ usage }) => usage.input),
      cached: total(({ usage }) => usage.cachedInput),
      output: total(({ usage }) => usage.output),
      reasoning: total(({ usage }) => usage.reasoning),
    },
  };
}

/**
 * The input of every request is counted, and corrected by what the answers report where every one of
 * the sample was answered; output and failures are taken to be as in the sample.
 */
function forecast(request: RequestSpec | null, sums: Sums, totals: Totals) {
  const { ok, failed, tokens } = sums;
  const answered = ok + failed;
  const compared = ok === sums.requests && tokens.estimated > 0 && tokens.input > 0;
  const input = Math.round(totals.tokens * (compared ? tokens.input / tokens.estimated : 1));
  const output = Math.round((tokens.output / answered) * totals.requests);
  const cached = tokens.input === 0 ? 0 : Math.round(input * (tokens.cached / tokens.input));
  return {
    requests: totals.requests,
    failed: Math.round((failed / answered) * totals.requests),
    input,
    output,
    cost: priceOf(request, { input, cached, output }),
  };
}
