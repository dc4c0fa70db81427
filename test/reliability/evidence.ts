import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { TERMINAL_STATUSES } from '../../src/core/batch.ts';

/** A batch as the emulator's own journal has it: what really happened, whatever a client believes. */
export interface RealBatch {
  readonly id: string;
  readonly status: string;
  readonly tokens: number;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly inputFileId: string;
  /** Of a batch that reads a blob, which has no metadata. */
  readonly blob?: { readonly input: string };
  readonly times: Readonly<Record<string, number>>;
}

export interface RealFile {
  readonly id: string;
  readonly filename: string;
  readonly purpose: string;
}

export interface ServiceTruth {
  readonly batches: readonly RealBatch[];
  /** Files that are still there. */
  readonly files: readonly RealFile[];
}

/** Reads an emulator's journal, also while it runs. */
export function serviceTruth(data: string): ServiceTruth {
  const batches = new Map<string, RealBatch>();
  const files = new Map<string, RealFile>();
  for (const line of readFileSync(join(data, 'journal.ndjson'), 'utf8').split('\n')) {
    for (const change of changesOf(line)) {
      if (change.batch) batches.set(change.batch.id, change.batch);
      else if (change.file) files.set(change.file.id, change.file);
      else if (change.gone !== undefined) files.delete(change.gone);
    }
  }
  return { batches: [...batches.values()], files: [...files.values()] };
}

interface Change {
  batch?: RealBatch;
  file?: RealFile;
  gone?: string;
}

function changesOf(line: string): Change[] {
  try {
    return line === '' ? [] : (JSON.parse(line) as Change[]);
  } catch {
    // The last line of a killed emulator may be cut; nobody saw what it would have said.
    return [];
  }
}

/** What a job's own store says, read without the code under test. */
export interface JobTruth {
  readonly uid: string;
  readonly state: string;
  readonly holds: readonly {
    readonly shard: string;
    readonly attempt: number;
    readonly target: string;
    readonly tokens: number;
    readonly taken_at: number;
    readonly released_at: number | null;
    readonly file_id: string | null;
    readonly file_gone_at: number | null;
  }[];
  readonly batches: readonly {
    readonly id: string;
    readonly shard: string;
    readonly attempt: number;
    readonly bound: number;
    readonly status: string;
  }[];
  readonly events: readonly {
    readonly at: number;
    readonly type: string;
    readonly subject: string;
  }[];
  /** Names in the directory's folders, and temporary files in and beside it. */
  readonly files: readonly string[];
}

export function jobTruth(directory: string): JobTruth {
  const database = new DatabaseSync(join(directory, 'job.db'), { readOnly: true });
  try {
    const all = (sql: string) => database.prepare(sql).all() as never[];
    const [job] = all('SELECT uid, state FROM job') as { uid: string; state: string }[];
    return {
      uid: job?.uid ?? '',
      state: job?.state ?? '',
      holds: all('SELECT * FROM holds'),
      batches: all('SELECT * FROM batches'),
      events: all('SELECT * FROM events ORDER BY seq'),
      files: [
        ...['shards', 'downloads', 'results'].flatMap((dir) =>
          existsSync(join(directory, dir))
            ? readdirSync(join(directory, dir)).map((name) => `${dir}/${name}`)
            : [],
        ),
        ...[directory, dirname(directory)].flatMap((dir) =>
          readdirSync(dir).filter((name) => name.endsWith('.tmp')),
        ),
      ],
    };
  } finally {
    database.close();
  }
}

/** The most tokens that were held at one time on any target (I3), by the store's own times. */
export function mostHeld(job: JobTruth): number {
  const changes = job.holds.flatMap(({ target, tokens, taken_at, released_at }) => [
    { target, at: taken_at, tokens },
    ...(released_at === null ? [] : [{ target, at: released_at, tokens: -tokens }]),
  ]);
  // What is given back in a millisecond is given back before what is taken in it.
  changes.sort((a, b) => a.at - b.at || a.tokens - b.tokens);
  const held = new Map<string, number>();
  let most = 0;
  for (const { target, tokens } of changes) {
    const now = (held.get(target) ?? 0) + tokens;
    held.set(target, now);
    most = Math.max(most, now);
  }
  return most;
}

/** What a job that is over left behind or did twice. Every list is empty when all went well. */
export interface Findings {
  /** Holds whose tokens were never given back, by shard and attempt (I4). */
  readonly leakedHolds: readonly string[];
  /** Input files of the job that are still at the service (I5). */
  readonly leakedFiles: readonly string[];
  /** Shard attempts with more than one batch bound (I2). */
  readonly boundTwice: readonly string[];
  /** Batches of the job that are live at the service though the job is over (I2). */
  readonly live: readonly string[];
  /** Batches at the service that the store does not know (I2). */
  readonly unknown: readonly string[];
  /** Local files that nobody needs any more. */
  readonly leftFiles: readonly string[];
  /** Batches made beyond one for each attempt: found and cancelled, or the other lists name them. */
  readonly duplicates: number;
  readonly mostHeld: number;
}

/** Rows, and what `retry` would reopen. */
const MAY_STAY = /^results\/|^shards\/.*\.failed\./;

/** Records and answers stay while an index says that rows are to be read from them. */
function isRowsOfIndex(name: string, files: readonly string[]): boolean {
  const shard = /^(?:shards|downloads)\/([^.]+)\.(?:records\.ndjson|output\.jsonl|error\.jsonl)$/;
  return files.includes(`results/${shard.exec(name)?.[1]}.index`);
}

export function examine(job: JobTruth, service: ServiceTruth): Findings {
  const ours = service.batches.filter((batch) => attemptOf(batch, job.uid) !== null);
  const bound = job.batches.filter((batch) => batch.bound === 1);
  const attempts = new Set(ours.map((batch) => attemptOf(batch, job.uid)));
  const known = new Set(job.batches.map(({ id }) => id));
  return {
    leakedHolds: job.holds
      .filter(({ released_at }) => released_at === null)
      .map(({ shard, attempt }) => `${shard}.${attempt}`),
    leakedFiles: service.files
      .filter(({ purpose, filename }) => purpose === 'batch' && filename.includes(`.${job.uid}.`))
      .map(({ filename }) => filename),
    boundTwice: twice(bound.map(({ shard, attempt }) => `${shard}.${attempt}`)),
    live: ours
      .filter(({ status }) => !TERMINAL_STATUSES.has(status as never) && status !== 'cancelling')
      .map(({ id }) => id),
    unknown: ours.filter(({ id }) => !known.has(id)).map(({ id }) => id),
    leftFiles: job.files.filter((name) => !MAY_STAY.test(name) && !isRowsOfIndex(name, job.files)),
    duplicates: ours.length - attempts.size,
    mostHeld: mostHeld(job),
  };
}

/** Shard and attempt of a batch of the job, by its metadata or the name of its blob. */
function attemptOf({ metadata, blob }: RealBatch, uid: string): string | null {
  if (blob !== undefined) return blob.input.split(`.${uid}.`)[1]?.match(/^[^.]+\.\d+/)?.[0] ?? null;
  if (!metadata?.millrace_job?.endsWith(`.${uid}`)) return null;
  return `${metadata.millrace_shard}.${metadata.millrace_attempt}`;
}

function twice(names: readonly string[]): string[] {
  return names.filter((name, index) => names.indexOf(name) !== index);
}

/** The findings that break a promise, in words. */
export function violations(found: Findings, limit: number): string[] {
  const lists = [
    'leakedHolds',
    'leakedFiles',
    'boundTwice',
    'live',
    'unknown',
    'leftFiles',
  ] as const;
  return [
    ...lists
      .filter((list) => found[list].length > 0)
      .map((list) => `${list}: ${found[list].join(', ')}`),
    ...(found.mostHeld > limit ? [`overrun: ${found.mostHeld} tokens held of ${limit}`] : []),
  ];
}

/** A row without what may differ from one run to the next: times, ids of batches and of answers. */
export function plainRow(line: string, attempts: 'compared' | 'ignored'): string {
  const plain = line
    .replace(/"created":\d+/, '"created":0')
    .replace(/"request_id":"[^"]*"/, '"request_id":""')
    .replace(/"batch":"[^"]*"/g, '"batch":""')
    .replace(/"at":"[^"]*"/g, '"at":""');
  return attempts === 'compared' ? plain : plain.replace(/,"attempts":\[.*\]\}$/, '}');
}

/** How two outputs differ: ordinals that are only in one, twice, or not the same. */
export function compareRows(
  expected: string,
  actual: string,
  attempts: 'compared' | 'ignored',
): { lost: number[]; invented: number[]; different: number[] } {
  const a = byOrdinal(expected);
  const b = byOrdinal(actual);
  const lost = [...a.rows.keys()].filter((ordinal) => !b.rows.has(ordinal));
  const invented = [...b.rows.keys()].filter((ordinal) => !a.rows.has(ordinal));
  const different = [...a.rows].flatMap(([ordinal, line]) => {
    const other = b.rows.get(ordinal);
    if (other === undefined) return [];
    return plainRow(line, attempts) === plainRow(other, attempts) ? [] : [ordinal];
  });
  return { lost, invented: [...invented, ...b.twice], different };
}

function byOrdinal(text: string): { rows: Map<number, string>; twice: number[] } {
  const rows = new Map<number, string>();
  const again: number[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const { ordinal } = JSON.parse(line) as { ordinal: number };
    if (rows.has(ordinal)) again.push(ordinal);
    rows.set(ordinal, line);
  }
  return { rows, twice: again };
}
