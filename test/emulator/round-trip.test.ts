import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type AccessEntry, startEmulator, type TransitionEntry } from '../../src/emulator/index.ts';
import { callerOf, GUIDE_LINES } from './help.ts';

describe('a batch from upload to answers', () => {
  test('the guide’s three lines come back answered, with the recorded token counts', async () => {
    await using emulator = await startEmulator({ speed: 100_000 });
    const caller = callerOf(`${emulator.url}/openai`, emulator.key);
    const id = await caller.submit(GUIDE_LINES, { metadata: { job: 'guide' } });
    const batch = await caller.reach(id, 'completed');
    expect(batch).toMatchObject({
      metadata: { job: 'guide' },
      request_counts: { total: 3, completed: 3, failed: 0 },
    });
    const lines = await caller.lines(batch.output_file_id);
    const tokens = lines.map(({ custom_id: id, response }) => [
      id,
      (response as { body: { usage: { prompt_tokens: number } } }).body.usage.prompt_tokens,
    ]);
    expect(Object.fromEntries(tokens)).toEqual({ 'task-0': 27, 'task-1': 30, 'task-2': 28 });
    expect((await caller.call('GET', `/files/${batch.error_file_id}/content`)).text).toBe('');
    const states = emulator.eventLog().filter((entry) => entry.id === id);
    expect(states.map((entry) => entry.to)).toEqual([
      'validating',
      'in_progress',
      'finalizing',
      'completed',
    ]);
  });

  test('both logs say what happened, in process, to a listener and on disk', async () => {
    const data = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    const heard: (AccessEntry | TransitionEntry)[] = [];
    const emulator = await startEmulator({
      data,
      speed: 1_000_000,
      log: (entry) => heard.push(entry),
    });
    const caller = callerOf(`${emulator.url}/openai`, emulator.key);
    const id = await caller.submit(GUIDE_LINES, { metadata: { shard: 's1' } });
    await caller.reach(id, 'completed');
    const [access, events] = [emulator.accessLog(), emulator.eventLog()];
    await emulator.close();
    const create = access.find((entry) => entry.call === 'batches.create');
    expect(create).toMatchObject({ method: 'POST', status: 200, id, faults: [] });
    expect(create?.path).toBe('/openai/batches?api-version=2024-10-21');
    const made = events.find((entry) => entry.id === id);
    expect(made?.detail).toMatchObject({ metadata: { shard: 's1' }, deployment: 'gpt-4o-batch' });
    const read = async (name: string) =>
      (await readFile(join(data, name), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
    expect(await read('access.ndjson')).toEqual(access);
    expect(await read('events.ndjson')).toEqual(events);
    expect(heard).toHaveLength(access.length + events.length);
    await rm(data, { recursive: true });
  });
});
