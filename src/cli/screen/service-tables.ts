import type { BatchObject, FileObject } from '../../core/batch.ts';
import { ownerOfBatch, ownerOfFile } from '../../jobs/listing.ts';
import type { Column } from './table.ts';
import { bytes, number } from './words.ts';

/** Something at a service, with the name of the target it was seen at. */
export interface At<Item> {
  readonly target: string;
  readonly item: Item;
}

const NONE = '-';

export const BATCH_COLUMNS: readonly Column<At<BatchObject>>[] = [
  { heading: 'BATCH', value: ({ item }) => item.id },
  { heading: 'STATUS', value: ({ item }) => item.status },
  { heading: 'CREATED', value: ({ item }) => timeInWords(item.createdAt) },
  { heading: 'DONE', right: true, value: ({ item }) => countInWords(item.counts.completed) },
  { heading: 'FAILED', right: true, value: ({ item }) => countInWords(item.counts.failed) },
  { heading: 'TOTAL', right: true, value: ({ item }) => countInWords(item.counts.total) },
  { heading: 'OF', value: ({ item }) => ownerInWords(ownerOfBatch(item)) },
];

export const FILE_COLUMNS: readonly Column<At<FileObject>>[] = [
  { heading: 'FILE', value: ({ item }) => item.id },
  { heading: 'STATUS', value: ({ item }) => item.status ?? NONE },
  { heading: 'CREATED', value: ({ item }) => timeInWords(item.createdAt) },
  { heading: 'EXPIRES', value: ({ item }) => timeInWords(item.expiresAt) },
  { heading: 'SIZE', right: true, value: ({ item }) => sizeInWords(item.bytes) },
  { heading: 'OF', value: ({ item }) => ownerInWords(ownerOfFile(item.name), item.name) },
];

/** Which target a row is of: shown only where there are several. */
export const TARGET_COLUMN: Column<At<unknown>> = {
  heading: 'TARGET',
  value: ({ target }) => target,
};

/** A batch line by line, for people. */
export function batchLines(batch: BatchObject): string[] {
  const { completed, failed, total } = batch.counts;
  const facts: [string, string | null][] = [
    ['batch', batch.id],
    ['status', batch.status],
    ['of', ownerInWords(ownerOfBatch(batch))],
    ['created', timeInWords(batch.createdAt)],
    ['ended', batch.endedAt === null ? null : timeInWords(batch.endedAt)],
    ['expires', timeInWords(batch.expiresAt)],
    ['endpoint', batch.endpoint],
    [
      'requests',
      `${countInWords(completed)} completed, ${countInWords(failed)} failed of ${countInWords(total)}`,
    ],
    ['input', batch.inputFileId],
    ['output', batch.outputFileId],
    ['errors', batch.errorFileId],
    ...Object.entries(batch.metadata),
    ...batch.errors.map(({ code, message, line, param }): [string, string] => [
      'error',
      [line === null ? '' : `line ${line}: `, code, ': ', message, param ? ` (${param})` : ''].join(
        '',
      ),
    ]),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.flatMap(([name, value]) =>
    value === null ? [] : [`${name.padEnd(width)}  ${value}`],
  );
}

/** The job and shard; of what is somebody else's, the name that they gave it. */
function ownerInWords(
  owner: { job: string; shard: string; attempt: number } | null,
  name?: string,
): string {
  return owner === null ? name || NONE : `${owner.job} ${owner.shard} try ${owner.attempt}`;
}

function timeInWords(at: number | null): string {
  return at === null ? NONE : new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}

function countInWords(value: number | null): string {
  return value === null ? NONE : number(value);
}

function sizeInWords(value: number | null): string {
  return value === null ? NONE : bytes(value);
}
