import type { ShardState } from '../../core/job.ts';
import type { Style } from './style.ts';
import { number } from './words.ts';

/** Shards by how far they are, from done to not begun. */
export interface Stretches {
  readonly done: number;
  readonly running: number;
  readonly sending: number;
  readonly waiting: number;
}

const STRETCH: Readonly<Record<ShardState, keyof Stretches>> = {
  sealed: 'waiting',
  waiting: 'waiting',
  granted: 'sending',
  uploading: 'sending',
  uploaded: 'sending',
  submitting: 'sending',
  submitted: 'running',
  running: 'running',
  finalizing: 'running',
  ended: 'running',
  collecting: 'running',
  joined: 'done',
  cleaned: 'done',
};

export function stretchesOf(shards: Partial<Record<ShardState, number>>): Stretches {
  const sums = { done: 0, running: 0, sending: 0, waiting: 0 };
  for (const [state, shardsOf] of Object.entries(shards)) {
    sums[STRETCH[state as ShardState]] += shardsOf;
  }
  return sums;
}

/** The shards as one bar; every stretch that has a shard shows at least one cell. */
export function bar(stretches: Stretches, width: number, style: Style): string {
  const parts = [stretches.done, stretches.running, stretches.sending, stretches.waiting];
  const total = parts.reduce((sum, part) => sum + part, 0);
  if (total === 0) return style.blocks[3].repeat(width);
  const sizes = parts.map((part) =>
    part === 0 ? 0 : Math.max(1, Math.floor((part / total) * width)),
  );
  const largest = sizes.indexOf(Math.max(...sizes));
  sizes[largest] = (sizes[largest] ?? 0) + width - sizes.reduce((sum, size) => sum + size, 0);
  const colours = ['green', 'cyan', 'yellow', 'dim'] as const;
  return sizes
    .map((size, index) =>
      size <= 0
        ? ''
        : style.colour(colours[index] ?? 'dim', (style.blocks[index] ?? ' ').repeat(size)),
    )
    .join('');
}

/** `4 done, 3 at the service, 2 on the way, 1 waiting`, without what there is none of. */
export function inWords({ done, running, sending, waiting }: Stretches): string {
  const parts = [
    [done, 'done'],
    [running, 'at the service'],
    [sending, 'on the way'],
    [waiting, 'waiting'],
  ] as const;
  return parts
    .filter(([shards]) => shards > 0)
    .map(([shards, what]) => `${number(shards)} ${what}`)
    .join(', ');
}
