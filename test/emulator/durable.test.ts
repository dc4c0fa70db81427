import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deform } from '../../src/emulator/deform.ts';
import { EMULATOR_KEY, type FaultRule, startEmulator } from '../../src/emulator/index.ts';
import { Ledger } from '../../src/emulator/ledger.ts';
import type { FileRecord } from '../../src/emulator/records.ts';
import { type Caller, callerOf, chatLine, pause } from './help.ts';

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));
const lines = (count: number) =>
  Array.from({ length: count }, (_none, index) => chatLine(`r-${index}`, 'Hello')).join('\n');

const SOME_FILE: FileRecord = {
  id: 'file-1',
  filename: 'in.jsonl',
  bytes: 1,
  purpose: 'batch',
  status: 'processed',
  createdAt: 1,
  readyAt: 1,
  expiresAt: null,
  visibleAt: 1,
  content: true,
  facts: null,
};

let folder: string;
let data: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  data = join(folder, 'data');
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  await rm(folder, { recursive: true });
});

async function start(options: Record<string, unknown>): Promise<[Caller, ChildProcess]> {
  const child = spawn(process.execPath, [CHILD, data, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Most of a child's start is compiling; each is the same.
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'millrace-test-cache') },
  });
  children.push(child);
  const [chunk] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  const url = String(chunk).trim();
  return [callerOf(`${url}/openai`, EMULATOR_KEY), child];
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('after kill -9', () => {
  test('files, batches and quota are there, and running batches go on', async () => {
    // Some 3 s a batch, so that the kills come in several of its phases. A line is charged with
    // some 38 tokens; the second batch never ends, and so keeps a third of the quota.
    const options = {
      profile: 'azure-v1',
      speed: 240,
      enqueuedTokens: 2400,
      faults: { rules: [{ on: 'batch', nth: 2, do: 'stall' }] },
    };
    let [caller, child] = await start(options);
    const id = await caller.submit(lines(40));
    const stalled = await caller.submit(lines(20));
    const stranger = await caller.upload('left alone');
    const seen = new Set<unknown>();
    for (let kills = 0; kills < 2; kills += 1) {
      await pause(300 + kills * 600);
      await kill(child);
      [caller, child] = await start(options);
      const batch = (await caller.call('GET', `/batches/${id}`)).json;
      expect(batch.id).toBe(id);
      seen.add(batch.status);
    }
    expect(seen.size).toBeGreaterThan(1);
    const batch = await caller.reach(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 40, completed: 40, failed: 0 });
    const ids = (await caller.lines(batch.output_file_id)).map((line) => line.custom_id);
    expect(new Set(ids).size).toBe(40);
    expect(ids).toHaveLength(40);
    await expect(caller.submit(lines(50))).rejects.toThrow('token_limit_exceeded');
    await caller.call('POST', `/batches/${stalled}/cancel`);
    await caller.reach(stalled, 'cancelled');
    await caller.submit(lines(50));
    const file = await caller.call('GET', `/files/${stranger.json.id}/content`);
    expect(file.text).toBe('left alone');
    const events = (await readFile(join(data, 'events.ndjson'), 'utf8')).trim().split('\n');
    const states = events
      .map((line) => JSON.parse(line) as { id: string; to: string })
      .filter((entry) => entry.id === id)
      .map((entry) => entry.to);
    expect(states).toEqual(['validating', 'in_progress', 'finalizing', 'completed']);
  }, 60_000);

  test('answers that were written are not asked for again', async () => {
    const ticks = join(folder, 'ticks');
    const options = { speed: 100_000, ticks, concurrency: 4 };
    let [caller, child] = await start(options);
    const id = await caller.submit(lines(300));
    for (let kills = 0; kills < 2; kills += 1) {
      await pause(200);
      await kill(child);
      [caller, child] = await start(options);
    }
    const batch = await caller.reach(id, 'completed');
    const answers = await caller.lines(batch.output_file_id);
    expect(new Set(answers.map((line) => line.custom_id)).size).toBe(300);
    expect(answers).toHaveLength(300);
    const asked = (await readFile(ticks, 'utf8')).trim().split('\n').length;
    expect(asked).toBeGreaterThanOrEqual(300);
    // Those that were open at a kill, four at a time, and no more.
    expect(asked).toBeLessThanOrEqual(300 + 2 * 4 * 5);
  }, 60_000);
});

describe('a data directory', () => {
  test('belongs to one emulator, and is private', async () => {
    await using first = await startEmulator({ data });
    await expect(startEmulator({ data })).rejects.toMatchObject({ code: 'data_in_use' });
    await callerOf(`${first.url}/openai`, first.key).upload('x');
    for (const [name, mode] of [
      ['', 0o700],
      ['files', 0o700],
      ['journal.ndjson', 0o600],
      ['access.ndjson', 0o600],
    ] as const) {
      expect((await stat(join(data, name))).mode & 0o777).toBe(mode);
    }
  });

  test('whose last line was cut is opened; one that is damaged is not', async () => {
    const first = await startEmulator({ data, speed: 100_000 });
    const { id } = (await callerOf(`${first.url}/openai`, first.key).upload('x')).json;
    await first.close();
    await appendFile(join(data, 'journal.ndjson'), '[{"file":{"id":"fi');
    const second = await startEmulator({ data });
    const caller = callerOf(`${second.url}/openai`, second.key);
    expect((await caller.call('GET', `/files/${id}`)).status).toBe(200);
    await second.close();
    await appendFile(join(data, 'journal.ndjson'), '[{"fi\n[]\n');
    await expect(startEmulator({ data })).rejects.toMatchObject({ code: 'data_damaged' });
    // The lock is not left behind by the refusal.
    await expect(startEmulator({ data })).rejects.toMatchObject({ code: 'data_damaged' });
  });

  test('keeps its journal short', async () => {
    const ledger = Ledger.open(data, 20_000);
    const file = (id: number, bytes: number): FileRecord => ({ ...SOME_FILE, id: `f${id}`, bytes });
    const journal = join(data, 'journal.ndjson');
    let longest = 0;
    for (let change = 0; change < 2000; change += 1) {
      ledger.commit({ file: file(change % 10, change) }, { uploads: change });
      longest = Math.max(longest, (await stat(journal)).size);
    }
    expect(longest).toBeLessThan(21_000);
    ledger.commit({ gone: 'f3' });
    ledger.close();
    expect(() => ledger.commit({ gone: 'f4' })).toThrow('closed');
    const again = Ledger.open(data);
    again.close();
    expect([...again.files.keys()].sort().join()).toBe('f0,f1,f2,f4,f5,f6,f7,f8,f9');
    expect([again.files.get('f9')?.bytes, again.nextUpload()]).toEqual([1999, 2000]);
  });

  test('counts uploads and batches on, so that no n-th comes twice', async () => {
    const rules: FaultRule[] = [
      { on: 'file', nth: 1, do: 'error' },
      { on: 'batch', nth: 1, do: 'token-limit', how: 'refuse' },
      { on: 'batch', nth: 2, do: 'fail', code: 'input_modified' },
    ];
    const options = { data, speed: 1_000_000, faults: { rules } };
    const first = await startEmulator(options);
    let caller = callerOf(`${first.url}/openai`, first.key);
    const { id } = (await caller.upload('x')).json;
    expect((await caller.call('GET', `/files/${id}`)).json.status).toBe('error');
    await caller.call('DELETE', `/files/${id}`);
    await expect(caller.submit(lines(1))).rejects.toThrow('token_limit_exceeded');
    await caller.reach(await caller.submit(lines(1)), 'failed');
    const { data: files } = (await caller.call('GET', '/files')).json as { data: { id: string }[] };
    for (const file of files) await caller.call('DELETE', `/files/${file.id}`);
    await first.close();
    await using second = await startEmulator(options);
    caller = callerOf(`${second.url}/openai`, second.key);
    await caller.reach(await caller.submit(lines(1)), 'completed');
  });

  test('a file that is deleted while it is read leaves nothing and no warning', async () => {
    const warnings: Error[] = [];
    const warn = (warning: Error) => warnings.push(warning);
    process.on('warning', warn);
    const emulator = await startEmulator({ data, profile: 'openai' });
    const caller = callerOf(`${emulator.url}/v1`, emulator.key, '');
    for (let run = 0; run < 10; run += 1) {
      const { id } = (await caller.upload(lines(400))).json;
      const body = { input_file_id: id, endpoint: '/chat/completions', completion_window: '24h' };
      const [created] = await Promise.all([
        caller.call('POST', '/batches', body),
        caller.call('DELETE', `/files/${id}`),
      ]);
      // OpenAI takes a batch of a file that is gone; one that was going is told to be gone.
      expect([200, 404]).toContain(created.status);
    }
    await emulator.close();
    process.off('warning', warn);
    expect(warnings).toEqual([]);
    const live = emulator.eventLog().filter(({ kind }) => kind === 'batch').length;
    expect((await readdir(join(data, 'files'))).length).toBeLessThanOrEqual(2 * live);
  });

  test('a kill after the odd copy was made makes it odd once only', async () => {
    const emulator = await startEmulator({ data });
    const made = join(data, 'work', 'batch_1.output');
    await writeFile(made, 'answer\n');
    const actions = [{ do: 'bom' }, { do: 'no-final-newline' }] as const;
    for (let tries = 0; tries < 2; tries += 1) {
      await deform(made, `${made}.odd`, actions);
      expect(await readFile(`${made}.odd`, 'utf8')).toBe('\ufeffanswer');
    }
    await emulator.close();
  });

  test('holds nothing that nobody can reach any more', async () => {
    const first = await startEmulator({ data, speed: 10_000, profile: 'azure-v1' });
    const caller = callerOf(`${first.url}/openai/v1`, first.key, '');
    const id = await caller.submit(lines(3));
    const { input_file_id: input } = (await caller.call('GET', `/batches/${id}`)).json;
    // A file that is deleted while its batch runs is still read to its end.
    await caller.call('DELETE', `/files/${input}`);
    expect((await caller.call('GET', `/files/${input}/content`)).status).toBe(404);
    const batch = await caller.reach(id, 'completed');
    expect(await caller.lines(batch.output_file_id)).toHaveLength(3);
    await first.close();
    await writeFile(join(data, 'work', 'upload-1-1'), 'half an upload');
    await writeFile(join(data, 'files', 'file-gone.jsonl'), 'deleted, and killed before the rm');
    await (await startEmulator({ data })).close();
    expect(await readdir(join(data, 'work'))).toEqual([]);
    const kept = [batch.output_file_id, batch.error_file_id].map((file) => `${file}.jsonl`);
    expect((await readdir(join(data, 'files'))).sort()).toEqual(kept.sort());
  });

  test('that is not given is gone after close', async () => {
    const emulator = await startEmulator({ speed: 1 });
    const caller = callerOf(`${emulator.url}/openai`, emulator.key);
    await caller.upload(lines(3));
    await emulator.close();
    await emulator.close();
    await expect(caller.call('GET', '/files')).rejects.toThrow();
  });
});
