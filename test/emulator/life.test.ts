import { afterEach, describe, expect, test } from 'vitest';
import {
  type Emulator,
  type EmulatorOptions,
  startEmulator,
  type VirtualClock,
  virtualClock,
} from '../../src/emulator/index.ts';
import { type Caller, callerOf, chatLine, pause } from './help.ts';

const MINUTE = 60 * 1000;
/** Seconds of virtual time that may pass while real work is done. */
const SLACK = 20;
const lines = (count: number) =>
  Array.from({ length: count }, (_none, index) => chatLine(`r-${index}`, 'Hello')).join('\n');

/** An emulator whose time passes only when the test says so. */
class Stage {
  readonly clock: VirtualClock;
  readonly emulator: Emulator;
  readonly caller: Caller;

  constructor(emulator: Emulator, clock: VirtualClock, path: string, query: string) {
    this.emulator = emulator;
    this.clock = clock;
    this.caller = callerOf(`${emulator.url}${path}`, emulator.key, query);
  }

  async batch(content: string, body: Record<string, unknown> = {}): Promise<string> {
    const { id } = (await this.caller.upload(content)).json;
    await this.until(async () => {
      const file = await this.caller.call('GET', `/files/${id}`);
      return file.json.status === 'processed' ? true : undefined;
    }, 1000);
    const created = await this.caller.call('POST', '/batches', {
      input_file_id: id,
      endpoint: '/chat/completions',
      completion_window: '24h',
      ...body,
    });
    if (created.status >= 300) throw new Error(created.text);
    return String(created.json.id);
  }

  async show(id: string): Promise<Record<string, unknown>> {
    return (await this.caller.call('GET', `/batches/${id}`)).json;
  }

  /** Lets time pass until the batch is in a state, and shows it then. */
  async reach(id: string, status: string, step = MINUTE): Promise<Record<string, unknown>> {
    await this.until(async () => (this.times(id)[status] === undefined ? undefined : true), step);
    return this.show(id);
  }

  /** When the batch entered its states, ms, from the emulator's own log. */
  times(id: string): Record<string, number> {
    const entries = this.emulator.eventLog().filter((entry) => entry.id === id);
    return Object.fromEntries(entries.map(({ to, at }) => [to, Date.parse(at)]));
  }

  async until<T>(look: () => Promise<T | undefined>, step: number): Promise<T> {
    for (let steps = 0; steps < 5000; steps += 1) {
      const found = await look();
      if (found !== undefined) return found;
      await this.clock.advance(step);
      // The real work of a step, such as writing a file, has to keep up with the virtual time.
      await pause(1);
    }
    throw new Error('it never came to that');
  }
}

let open: Emulator | undefined;
async function stage(options: EmulatorOptions, path = '/openai', query?: string): Promise<Stage> {
  const clock = virtualClock();
  open = await startEmulator({ ...options, clock });
  return new Stage(open, clock, path, query ?? '?api-version=2024-10-21');
}
afterEach(async () => {
  await open?.close();
  open = undefined;
});

describe('times', () => {
  test('the phases take what the four recorded jobs took', async () => {
    const on = await stage({ switches: { inProgressAt: 'set' } });
    const id = await on.batch(lines(3));
    const batch = await on.reach(id, 'completed', 1000);
    const at = (name: string) => Number(batch[name]);
    expect(at('expires_at') - at('created_at')).toBe(86_400);
    const times = on.times(id);
    const between = (from: string, to: string) => ((times[to] ?? 0) - (times[from] ?? 0)) / 1000;
    // Reading and writing take real time, in which the virtual clock goes on: some seconds more.
    const ranges = [
      [between('validating', 'in_progress'), 178, 396],
      [between('in_progress', 'finalizing'), 138, 312],
      [between('finalizing', 'completed'), 91, 252],
    ] as const;
    for (const [took, least, most] of ranges) {
      expect(took).toBeGreaterThanOrEqual(least - SLACK);
      expect(took).toBeLessThanOrEqual(most + SLACK);
    }
  });

  test('the same seed draws the same times, another seed others', async () => {
    const validating = async (seed: number) => {
      const on = await stage({ seed });
      const id = await on.batch(lines(1));
      await on.reach(id, 'in_progress', 4000);
      const { validating: from = 0, in_progress: to = 0 } = on.times(id);
      await open?.close();
      return to - from;
    };
    // Nothing is read or written in this phase: the virtual time is exact.
    const drawn = await validating(1);
    expect(await validating(1)).toBe(drawn);
    expect(await validating(2)).not.toBe(drawn);
  });

  test('counts grow while it runs', async () => {
    const on = await stage({ switches: { runningSeconds: [1000, 1000] } });
    const id = await on.batch(lines(10));
    await on.reach(id, 'in_progress', 1000);
    const seen = new Set<number>();
    await on.until(async () => {
      const batch = await on.show(id);
      seen.add((batch.request_counts as { completed: number }).completed);
      return batch.status === 'finalizing' ? true : undefined;
    }, 10 * 1000);
    expect(seen.size).toBeGreaterThan(5);
  });

  test('a file stays pending for its time, and is refused until then', async () => {
    const on = await stage({ switches: { pendingSeconds: [60, 60] } });
    const { id } = (await on.caller.upload(lines(1))).json;
    const create = () =>
      on.caller.call('POST', '/batches', {
        input_file_id: id,
        endpoint: '/chat/completions',
        completion_window: '24h',
      });
    const early = await create();
    expect(early.status).toBe(400);
    expect(early.json.error).toMatchObject({
      message: `The input file '${id}' is in 'pending' state. Only files with status 'Processed' are accepted for batch inferencing. Please check the file status and try again`,
    });
    await on.clock.advance(59 * 1000);
    expect((await create()).status).toBe(400);
    await on.until(async () => ((await create()).status === 200 ? true : undefined), 1000);
  });
});

describe('ends', () => {
  test('cancelled on the way: what was done is in the output file and no more', async () => {
    const on = await stage({ switches: { runningSeconds: [1000, 1000] } });
    const id = await on.batch(lines(10));
    await on.reach(id, 'in_progress', 1000);
    await on.until(async () => {
      const counts = (await on.show(id)).request_counts as { completed: number };
      return counts.completed >= 4 ? true : undefined;
    }, 50 * 1000);
    const begun = await on.caller.call('GET', `/batches/${id}/cancel`);
    expect(begun.json.status).toBe('cancelling');
    expect((await on.caller.call('POST', `/batches/${id}/cancel`)).json.status).toBe('cancelling');
    const batch = await on.reach(id, 'cancelled', 30 * 1000);
    const took = Number(batch.cancelled_at) - Number(batch.cancelling_at);
    expect(took).toBeLessThanOrEqual(630);
    const { completed } = batch.request_counts as { completed: number };
    expect(completed).toBeGreaterThanOrEqual(4);
    expect(completed).toBeLessThan(10);
    expect(await on.caller.lines(batch.output_file_id)).toHaveLength(completed);
    expect((await on.caller.call('POST', `/batches/${id}/cancel`)).status).toBe(409);
  });

  test('cancelled while it is validated: no file at all', async () => {
    const on = await stage({});
    const id = await on.batch(lines(2));
    await on.caller.call('POST', `/batches/${id}/cancel`);
    const batch = await on.reach(id, 'cancelled', 30 * 1000);
    expect(batch).toMatchObject({ output_file_id: null, error_file_id: null });
  });

  test('24 hours: openai expires with what is done, azure goes on', async () => {
    const slow = { switches: { secondsPerRequest: 10_000 } };
    const v1 = await stage({ ...slow, profile: 'openai' }, '/v1', '');
    const id = await v1.batch(lines(20));
    const batch = await v1.reach(id, 'expired', 30 * MINUTE);
    expect(Number(batch.expired_at) - Number(batch.created_at)).toBeGreaterThanOrEqual(86_399);
    const { completed, failed } = batch.request_counts as { completed: number; failed: number };
    expect([completed, failed]).toEqual([8, 0]);
    expect(await v1.caller.lines(batch.output_file_id)).toHaveLength(8);
    const rest = await v1.caller.lines(batch.error_file_id);
    expect(rest).toHaveLength(12);
    expect(rest[0]).toMatchObject({ response: null, error: { code: 'batch_expired' } });
    await open?.close();

    const azure = await stage(slow);
    const late = await azure.batch(lines(20));
    const done = await azure.reach(late, 'completed', 30 * MINUTE);
    expect(Number(done.completed_at)).toBeGreaterThan(Number(done.expires_at));
  });

  test('a batch that only its end makes late expires after 24 hours and not before', async () => {
    const on = await stage(
      {
        profile: 'openai',
        switches: {
          validatingSeconds: [3600, 3600],
          runningSeconds: [82_000, 82_000],
          finalizingSeconds: [3600, 3600],
        },
      },
      '/v1',
      '',
    );
    const batch = await on.reach(await on.batch(lines(3)), 'expired', 10 * MINUTE);
    expect(Number(batch.expired_at)).toBeGreaterThanOrEqual(Number(batch.expires_at));
    expect(batch.request_counts).toEqual({ total: 3, completed: 3, failed: 0 });
  });

  test('a cancel that was accepted is kept, even while the files are put in their place', async () => {
    await using emulator = await startEmulator({ speed: 1_000_000 });
    const caller = callerOf(`${emulator.url}/openai`, emulator.key);
    for (let run = 0; run < 10; run += 1) {
      const id = await caller.submit(lines(3));
      await caller.reach(id, 'finalizing', 'completed');
      const { json } = await caller.call('POST', `/batches/${id}/cancel`);
      const end = await caller.reach(id, 'completed', 'cancelled');
      const accepted = json.status === 'cancelling';
      expect(end.status).toBe(accepted ? 'cancelled' : 'completed');
      expect(end.cancelling_at === null).toBe(!accepted);
      expect(await caller.lines(end.output_file_id)).toHaveLength(3);
    }
  });

  test('every line fails: completed, no output file', async () => {
    const on = await stage({ faults: { rules: [{ on: 'line', do: 'status', status: 429 }] } });
    const id = await on.batch(lines(3));
    const batch = await on.reach(id, 'completed');
    expect(batch).toMatchObject({
      output_file_id: null,
      request_counts: { total: 3, completed: 0, failed: 3 },
    });
    expect(await on.caller.lines(batch.error_file_id)).toHaveLength(3);
  });
});

describe('quota', () => {
  // 27 true tokens a line; 45 as the service counts them.
  const line = (id: string) => chatLine(id, 'When was Microsoft founded?');

  test('refused at create where the region is new, and free again at the end', async () => {
    const on = await stage({ profile: 'azure-v1', enqueuedTokens: 100 }, '/openai/v1', '');
    const first = await on.batch(line('a'));
    await on.batch(line('b'));
    const file = (await on.caller.upload(line('c'))).json.id;
    const wanted = {
      input_file_id: file,
      endpoint: '/chat/completions',
      completion_window: '24h',
    };
    await on.clock.advance(6000);
    const refused = await on.until(async () => {
      const answer = await on.caller.call('POST', '/batches', wanted);
      return answer.text.includes('pending') ? undefined : answer;
    }, 1000);
    expect(refused.status).toBe(400);
    expect(refused.json.error).toMatchObject({
      code: 'token_limit_exceeded',
      message: expect.stringContaining("limit of 100 for the deployment 'gpt-4o-batch'"),
    });
    await on.reach(first, 'completed');
    const accepted = await on.caller.call('POST', '/batches', wanted);
    expect(accepted.status).toBe(200);
    expect(accepted.headers.get('deployment-maximum-enqueued-tokens')).toBe('100');
  });

  test('accepted and failed later where it is old', async () => {
    const on = await stage({ enqueuedTokens: 60 });
    const first = await on.batch(line('a'));
    const second = await on.batch(line('b'));
    const failed = await on.reach(second, 'failed');
    expect(failed.errors).toMatchObject({
      data: [
        {
          code: 'token_limit_exceeded',
          message:
            "The number of enqueued tokens has surpassed the configured limit of 60 for the deployment 'gpt-4o-batch'. Please either increase the limit or try again once the current jobs have finished.",
        },
      ],
    });
    await on.reach(first, 'completed');
    await on.reach(await on.batch(line('c')), 'completed');
  });

  test('deployments have quotas of their own, and others take part in them', async () => {
    const on = await stage({
      enqueuedTokens: 60,
      faults: { foreign: [{ batches: 1, deployment: 'shared', tokens: 50, seconds: 7200 }] },
    });
    const other = line('a').replace('gpt-4o-batch', 'shared');
    const mine = await on.batch(line('b'));
    const theirs = await on.batch(other);
    await on.reach(theirs, 'failed');
    await on.reach(mine, 'completed');
    await on.clock.advance(3 * 60 * MINUTE);
    await on.reach(await on.batch(other), 'completed');
  });

  test('the header of the guide’s three lines', async () => {
    const on = await stage({ enqueuedTokens: 740_000 });
    const questions = ['When was Microsoft founded?', 'When was the first XBOX released?'];
    const content = [...questions, 'What is Altair Basic?'].map((q, i) => chatLine(`t${i}`, q));
    const { id } = (await on.caller.upload(content.join('\n'))).json;
    const created = await on.until(async () => {
      const answer = await on.caller.call('POST', '/batches', {
        input_file_id: id,
        endpoint: '/chat/completions',
        completion_window: '24h',
      });
      return answer.status === 200 ? answer : undefined;
    }, 1000);
    expect(created.headers.get('deployment-enqueued-tokens')).toBe('139');
    expect(created.headers.get('deployment-maximum-enqueued-tokens')).toBe('740000');
  });

  test('500 files without an expiry, more with one, and deleting makes room', async () => {
    const on = await stage(
      { profile: 'azure-v1', switches: { maxFiles: 3, maxFilesWithExpiry: 1 } },
      '/openai/v1',
      '',
    );
    const expiring = {
      purpose: 'batch',
      'expires_after[seconds]': '1209600',
      'expires_after[anchor]': 'created_at',
    };
    const dotted = {
      purpose: 'batch',
      'expires_after.seconds': '1209600',
      'expires_after.anchor': 'created_at',
    };
    const first = await on.caller.upload('{}');
    // At the same time, so that a look at the quota and the taking of a place would come apart.
    const rush = await Promise.all(Array.from({ length: 6 }, () => on.caller.upload('{}')));
    expect(rush.map(({ status }) => status).sort()).toEqual([201, 201, 400, 400, 400, 400]);
    const full = await on.caller.upload('{}');
    expect(full.status).toBe(400);
    expect(full.json).toEqual({
      error: {
        code: 'quotaExceeded',
        message: 'The quota for files without expiry is reached. The maximum is 3.',
      },
    });
    expect((await on.caller.upload('{}', dotted)).json.expires_at).toBeTypeOf('number');
    expect((await on.caller.upload('{}', expiring)).status).toBe(400);
    await on.caller.call('DELETE', `/files/${first.json.id}`);
    expect((await on.caller.upload('{}')).status).toBe(201);
    await on.clock.advance(15 * 24 * 60 * MINUTE);
    expect((await on.caller.upload('{}', expiring)).status).toBe(201);
    const short = { ...expiring, 'expires_after[seconds]': '3600' };
    expect((await on.caller.upload('{}', short)).status).toBe(400);
  });
});
