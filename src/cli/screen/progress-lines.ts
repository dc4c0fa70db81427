import type { JobStatus } from '../../jobs/status.ts';
import { bar, inWords, stretchesOf } from './bar.ts';
import { costInWords } from './money-words.ts';
import type { Style } from './style.ts';
import { targetInWords, targetLabel } from './target-words.ts';
import { duration, number, plural, shorten } from './words.ts';

/** A job at a moment of a run. */
export interface Moment {
  readonly status: JobStatus;
  readonly elapsedMs: number;
  /** What is left by the pace so far, or null while nothing honest can be said. */
  readonly leftMs: number | null;
  /** Whether the tokens cost nothing. */
  readonly free: boolean;
  /** What keeps failing, in words, or null. */
  readonly trouble: string | null;
}

const BAR_CELLS = 24;

/** The block that is kept up to date on a terminal. */
export function progressBlock(moment: Moment, style: Style): string[] {
  const { status, elapsedMs, leftMs, free } = moment;
  const stretches = stretchesOf(status.shards);
  const rows = status.ok + status.failed;
  const head = `${style.colour('bold', status.job)}  ${status.state}  ${duration(elapsedMs)}`;
  const left = leftMs === null ? '' : `, about ${duration(leftMs)} left`;
  const label = (text: string) => `  ${style.colour('dim', text.padEnd(10))}`;
  const room = style.width - 12;
  return [
    head + left,
    label('records') +
      shorten(
        `${number(status.records)} read${status.state === 'preparing' ? ' so far' : ''}, ${number(status.rejected)} rejected`,
        room,
      ),
    `${label('shards') + bar(stretches, BAR_CELLS, style)}  ${shorten(inWords(stretches), room - BAR_CELLS - 2)}`,
    label('rows') +
      shorten(
        `${number(rows)} of ${number(status.records - status.rejected)}, ${number(status.failed)} failed`,
        room,
      ),
    label('tokens') + shorten(tokens(status), room),
    ...status.targets.map(
      (target) => label(targetLabel(target)) + shorten(targetInWords(target), room),
    ),
    ...(free ? [] : signedIn(status).map((text) => label('signed in') + shorten(text, room))),
    ...(free ? [] : [label('cost') + shorten(costInWords(status), room)]),
    ...(moment.trouble === null ? [] : [label('trouble') + shorten(moment.trouble, room)]),
  ];
}

/** The same in one line, for a log. */
export function progressLine({ status, elapsedMs, leftMs, free, trouble }: Moment): string {
  const stretches = stretchesOf(status.shards);
  const rows = status.ok + status.failed;
  const parts = [
    `${status.job} ${status.state}`,
    duration(elapsedMs),
    `${plural(status.records, 'record')}, ${number(status.rejected)} rejected`,
    `shards: ${inWords(stretches) || 'none yet'}`,
    `rows: ${number(rows)}, ${number(status.failed)} failed`,
    `${number(status.tokens.enqueued)} tokens enqueued`,
    ...(free ? [] : signedIn(status)),
    ...(leftMs === null ? [] : [`about ${duration(leftMs)} left`]),
    ...(trouble === null ? [] : [trouble]),
  ];
  return parts.join(' | ');
}

function tokens({ tokens: { estimated, actual, enqueued }, targets }: JobStatus): string {
  const quota = targets.reduce((sum, target) => sum + (target.tokens.limit ?? Infinity), 0);
  const of = targets.length === 0 || !Number.isFinite(quota) ? '' : ` of ${number(quota)}`;
  return `${number(estimated)} in all, ${number(actual)} answered, ${number(enqueued)}${of} enqueued`;
}

/** What calls are authorised by, and what the targets that do not work say. */
function signedIn({ targets }: JobStatus): string[] {
  const by = new Set(targets.flatMap(({ credential }) => credential ?? []));
  return [
    ...(by.size === 0 ? [] : [`by ${[...by].join(', ')}`]),
    ...targets.flatMap(({ name, state }) => {
      // Of a job's only target the words on what keeps failing say more.
      const told = state === 'failing' && name === 'default';
      return state === 'open' || told ? [] : [`${name} is ${state}`];
    }),
  ];
}

/** Whether two moments read the same apart from the clock. */
export function samePlace(a: Moment, b: Moment): boolean {
  return a.trouble === b.trouble && JSON.stringify(a.status) === JSON.stringify(b.status);
}
