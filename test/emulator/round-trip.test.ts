import { describe, expect, test } from 'vitest';
import { startEmulator } from '../../src/emulator/index.ts';
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
});
