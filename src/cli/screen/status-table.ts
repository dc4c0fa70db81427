import type { JobState, Shard, ShardState } from '../../core/job.ts';
import type { JobStatus } from '../../jobs/status.ts';
import { LOCAL_RESOURCE } from '../local.ts';
import { bar, inWords, stretchesOf } from './bar.ts';
import { costInWords, freeCost, sampleInWords, tokensInWords } from './money-words.ts';
import { type NextCommand, nextLines } from './next.ts';
import { type Style, styleOf } from './style.ts';
import { near } from './summary.ts';
import { targetInWords, targetLabel } from './target-words.ts';
import { number, plural, shorten } from './words.ts';

/** States in which a shard's note says why it does not move. */
export const NOTED_STATES: readonly ShardState[] = ['sealed', 'waiting', 'granted', 'uploading'];

/** States in which a process is expected to be at work. */
const UNDER_WAY: ReadonlySet<JobState> = new Set(['preparing', 'running', 'cancelling']);

const BAR_CELLS = 24;
const NOTES = 3;

/** What `status` reads. */
export interface Seen {
  readonly status: JobStatus;
  /** Those in the noted states. */
  readonly shards: readonly Shard[];
  /** What keeps failing, in words, or null. */
  readonly trouble: string | null;
  /** Whether a process works on the job now. */
  readonly active: boolean;
  readonly next: readonly NextCommand[];
}

/** Prints where a job stands on standard output. */
export function showStatus(seen: Seen, path: string): void {
  process.stdout.write(`${statusTable(seen, path, styleOf(process.stdout)).join('\n')}\n`);
}

export function statusTable(
  { status, shards, trouble, active, next }: Seen,
  path: string,
  style: Style,
): string[] {
  const line = (name: string, text: string) =>
    `  ${style.colour('dim', name.padEnd(10))}${shorten(text, style.width - 12)}`;
  const credentials = status.targets.flatMap(({ credential }) => credential ?? []);
  const stretches = stretchesOf(status.shards);
  const width = style.width - 12 - BAR_CELLS - 2;
  const notes = [...new Set(shards.flatMap(({ note }) => (note === null ? [] : [note])))];
  return [
    `${style.colour('bold', status.job)}: ${stateInWords(status, active)}  ${style.colour('dim', near(path))}`,
    ...(status.pause === null ? [] : [line('paused', status.pause)]),
    line(
      'records',
      `${number(status.records)}: ${number(status.ok)} ok, ${number(status.failed)} failed, ` +
        `${number(status.rejected)} rejected, ${number(status.pending)} pending`,
    ),
    `  ${style.colour('dim', 'shards'.padEnd(10))}${bar(stretches, BAR_CELLS, style)}  ${shorten(inWords(stretches) || 'none yet', width)}`,
    line('batches', `${number(status.batches)} in ${plural(status.attempts, 'attempt')}`),
    line('tokens', tokensInWords(status)),
    line('enqueued', `${number(status.tokens.enqueued)} tokens as the service counts them`),
    line('cost', isLocal(status) ? freeCost(status) : costInWords(status)),
    ...sampleInWords(status).map((text, index) => line(index === 0 ? 'sample' : '', text)),
    ...status.targets.map((target) => line(targetLabel(target), targetInWords(target))),
    ...(credentials.length === 0
      ? []
      : [line('signed in', `by ${[...new Set(credentials)].join(', ')}`)]),
    ...(trouble === null ? [] : [line('trouble', trouble)]),
    ...notes.slice(0, NOTES).map((note) => line('note', note)),
    ...nextLines(next, style),
  ];
}

/** The state, which a job that was stopped keeps, and that nobody is at it then. */
function stateInWords({ state, attempts }: JobStatus, active: boolean): string {
  if (active || !UNDER_WAY.has(state)) return state;
  const what = state === 'running' && attempts === 0 ? 'prepared' : `stopped while ${state}`;
  return `${what}; no process works on it now`;
}

/** Whether answers are made up: a job that began with the local service stays there. */
function isLocal({ targets }: JobStatus): boolean {
  return targets.some(({ resource }) => resource === LOCAL_RESOURCE);
}
