import { TERMINAL_STATUSES } from '../../../src/core/batch.ts';
import type { Shard } from '../../../src/core/job.ts';
import type { ResultRow } from '../../../src/core/result.ts';
import type { Job } from '../../../src/jobs/job.ts';
import { readRows } from '../../../src/join/result-file.ts';
import { answerText, isFiltered } from './answers.ts';
import type { SimFile, SimService } from './service.ts';
import type { SimRecord } from './simulate.ts';

/** What must hold of a target after every step: I3. */
export function checkQuota(held: number, limit: number | null): string[] {
  return limit !== null && held > limit ? [`I3: ${held} tokens held of ${limit}`] : [];
}

/** What must hold after every step: I6, I7, I8. */
export function checkAlways(
  before: ReadonlyMap<string, Shard>,
  shards: readonly Shard[],
): string[] {
  const broken: string[] = [];
  for (const shard of shards) {
    const was = before.get(shard.name);
    if (was === undefined) continue;
    if (shard.sha256 !== was.sha256) broken.push(`I6: ${shard.name} changed its hash`);
    if (shard.attempt < was.attempt) broken.push(`I7: ${shard.name} went back an attempt`);
    if (shard.version < was.version) broken.push(`I8: ${shard.name} went back a version`);
  }
  return broken;
}

/** What must hold when the job is over: I1, I2, I4, I5, and that what was paid for is kept. */
export async function checkEnd(
  job: Job,
  services: readonly SimService[],
  records: readonly SimRecord[],
): Promise<string[]> {
  const broken: string[] = [];
  const { holds, batches, shards } = await job.store.read(async (tx) => ({
    holds: await tx.openHolds(),
    batches: await tx.batches(),
    shards: await tx.shards({ joinedAfter: 0 }),
  }));
  if (holds.length > 0) broken.push(`I4: ${holds.length} holds are open`);
  const files = services.flatMap((service) => [...service.files.values()]);
  const inputs = files.filter(({ purpose }) => purpose === 'batch');
  if (inputs.length > 0) broken.push(`I5: ${inputs.map(({ name }) => name)} are left`);
  const bound = batches.filter((batch) => batch.bound).map((b) => `${b.shard}.${b.attempt}`);
  if (new Set(bound).size < bound.length) broken.push('I2: two batches are bound to an attempt');
  const known = new Set(batches.map(({ id }) => id));
  for (const { id, status, forgotten, visibleAt } of services.flatMap((one) => one.batches)) {
    // Nobody can find what the service shows only after the job is over.
    if (visibleAt > (services[0]?.now() ?? 0)) continue;
    if (!forgotten && !known.has(id)) broken.push(`I2: ${id} is not known to the job`);
    if (!forgotten && !TERMINAL_STATUSES.has(status)) broken.push(`I2: ${id} is still ${status}`);
  }
  const rows = await rowsOf(job, shards);
  for (const record of records) broken.push(...checkRow(record, rows, job.name));
  for (const ordinal of rows.keys()) {
    if (ordinal >= records.length) broken.push(`I1: row ${ordinal} was invented`);
  }
  const ids = new Set(batches.filter((batch) => batch.bound).map(({ id }) => id));
  broken.push(...paidFor(rows, services, ids));
  return broken;
}

/** The most tries that any row of a job that is over took. */
export async function mostAttempts(job: Job): Promise<number> {
  const shards = await job.store.read((tx) => tx.shards({ joinedAfter: 0 }));
  const rows = [...(await rowsOf(job, shards)).values()].flat();
  return Math.max(0, ...rows.map(({ attempts }) => attempts.length));
}

async function rowsOf(job: Job, shards: readonly Shard[]): Promise<Map<number, ResultRow[]>> {
  const rows = new Map<number, ResultRow[]>();
  for (const { name } of shards) {
    for await (const row of readRows(job.directory.results(name))) {
      rows.set(row.ordinal, [...(rows.get(row.ordinal) ?? []), row]);
    }
  }
  return rows;
}

function checkRow(
  record: SimRecord,
  rows: ReadonlyMap<number, ResultRow[]>,
  job: string,
): string[] {
  const [row, ...more] = rows.get(record.n) ?? [];
  if (row === undefined) return [`I1: row ${record.n} is lost`];
  if (more.length > 0) return [`I1: row ${record.n} is there ${more.length + 1} times`];
  const id = `${job}-${record.n}`;
  if (row.custom_id !== id) return [`I1: row ${record.n} has the id ${row.custom_id}`];
  if (JSON.stringify(row.record) !== JSON.stringify(record)) {
    return [`I1: row ${record.n} has another record`];
  }
  if (row.status === 'ok') {
    const body = row.response?.body as { choices: { message: { content: string } }[] };
    const text = body.choices[0]?.message.content;
    return text === answerText(id) ? [] : [`I1: row ${record.n} has another row's answer`];
  }
  const code = row.error?.code ?? '';
  // A row fails when it is refused for good, when its line is, or when its attempts are used up.
  const final = isFiltered(id) ? code === 'content_filter' : row.attempts.length >= 4;
  const named = code === 'invalid_request' || code === 'token_limit_exceeded';
  return final || named || isFiltered(id) ? [] : [`row ${record.n} failed early with ${code}`];
}

/**
 * An answer in a file of a batch that was bound was paid for: its row must be ok, or have failed
 * with the reason that the service gave for good.
 */
function paidFor(
  rows: ReadonlyMap<number, ResultRow[]>,
  services: readonly SimService[],
  bound: ReadonlySet<string>,
): string[] {
  const broken: string[] = [];
  for (const batch of services.flatMap(({ batches }) => batches)) {
    if (batch.forgotten || !bound.has(batch.id)) continue;
    for (const { custom_id: id, response } of [
      ...answersIn(batch.output),
      ...answersIn(batch.error),
    ]) {
      const [row] = rows.get(Number(id.split('-').at(-1))) ?? [];
      if (response.status_code === 200 && row?.status !== 'ok') {
        broken.push(`paid for and thrown away: ${id}`);
      }
      if (response.status_code === 400 && row?.error?.code !== 'content_filter') {
        broken.push(`refused for good, and not told so: ${id}`);
      }
    }
  }
  return broken;
}

interface Answer {
  custom_id: string;
  response: { status_code: number };
}

function answersIn(file: SimFile | null): Answer[] {
  const lines = file?.content.toString('utf8').split('\n').filter(Boolean) ?? [];
  return lines.map((line) => JSON.parse(line) as Answer);
}
