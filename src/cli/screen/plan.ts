import type { Endpoint } from '../../core/request.ts';
import type { Estimate } from '../../jobs/estimate.ts';
import type { Job } from '../../jobs/job.ts';
import type { RejectReason } from '../../jobs/reject-reasons.ts';
import type { Plan } from '../../jobs/write-shards.ts';
import { programName } from '../program-name.ts';
import { type Style, styleOf } from './style.ts';
import { near } from './summary.ts';
import { bytes, money, number, plural, shellWord } from './words.ts';

/** Reasons that are shown; `--json` has all of them. */
const MOST_REASONS = 6;

/** Says on standard error what a preparation came to. */
export function showPlan(job: Job, plan: Plan): void {
  const style = styleOf(process.stderr);
  const next = `${programName()} submit --job ${shellWord(near(job.directory.path))}`;
  const lines = [
    `${style.colour('bold', job.name)}: prepared; nothing is sent`,
    '',
    ...planLines(plan, style),
    ...(plan.rejected > 0
      ? [labelled('rejected', `and why: ${near(job.directory.rejected)}`, style)]
      : []),
    '',
    'next',
    `  ${style.colour('cyan', next)}`,
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** Prints on standard output what a job would come to. Embeddings have no output to pay for. */
export function showEstimate(
  estimate: Estimate,
  quota: number | null,
  endpoint: Endpoint | undefined,
): void {
  const style = styleOf(process.stdout);
  const { baseModel, inputCost, currency, priceDate, waves, hoursAtMost } = estimate;
  const output = endpoint === '/embeddings' ? '' : '; the output comes on top';
  const price =
    inputCost === null
      ? `unknown: no price for ${baseModel}; name the model with --base-model`
      : `${money(inputCost, currency)} for the input as ${baseModel} in batch (prices of ${priceDate})${output}`;
  const time =
    quota === null || waves === null
      ? 'up to 24 h a batch; --enqueued-tokens tells how many go at once'
      : `${plural(waves, 'fill', 'fills')} of a quota of ${number(quota)}: ${longTime(hoursAtMost ?? 0)} at most, mostly far less`;
  const lines = [
    ...planLines(estimate, style, estimate.sample),
    ...estimate.reasons.slice(0, MOST_REASONS).map((reason) => reasonLine(reason, style)),
    labelled('cost', price, style),
    labelled('time', time, style),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function longTime(hours: number): string {
  return hours > 48 ? plural(Math.ceil(hours / 24), 'day') : `${number(hours)} h`;
}

function planLines(plan: Plan, style: Style, sample: Estimate['sample'] = null): string[] {
  const { records, requests, rejected } = plan;
  const tokens =
    sample === null
      ? `${number(plan.tokens)} in`
      : `${number(plan.tokens)} in, give or take ${number(sample.tokenError)} (95 %), by ${plural(sample.requests, 'request')} counted`;
  return [
    labelled(
      'records',
      `${number(records)}: ${plural(requests, 'request')}, ${number(rejected)} rejected`,
      style,
    ),
    labelled('shards', `${number(plan.shards)}, ${bytes(plan.bytes)}`, style),
    labelled('tokens', tokens, style),
  ];
}

function reasonLine({ code, records, message }: RejectReason, style: Style): string {
  const first = records === 1 ? '' : 'the first in ';
  return labelled('rejected', `${number(records)} ${code}, ${first}${message}`, style);
}

function labelled(name: string, text: string, style: Style): string {
  return `  ${style.colour('dim', name.padEnd(10))}${text}`;
}
