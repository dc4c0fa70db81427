import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Answering, writeAnswers } from '../../src/emulator/answering.ts';
import { PROFILES } from '../../src/emulator/index.ts';
import { NO_PROGRESS, type Progress } from '../../src/emulator/records.ts';
import { scanFile } from '../../src/emulator/scan.ts';
import { chatLine } from './help.ts';

const REQUESTS = 600;

let folder: string;
let work: Answering;
let checkpoints: Progress[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  const at = (name: string) => join(folder, name);
  const lines = Array.from({ length: REQUESTS }, (_none, index) => chatLine(`r-${index}`, 'Hi'));
  await writeFile(at('in'), lines.join('\n'));
  await scanFile(at('in'), at('index'), PROFILES.azure);
  checkpoints = [];
  work = {
    inputPath: at('in'),
    indexPath: at('index'),
    outputPath: at('out'),
    errorPath: at('err'),
    seed: 7,
    requests: REQUESTS,
    answerer: {
      width: 1,
      now: ({ request, line }) => ({
        output: line % 10 === 0 ? '' : `${request.custom_id}\n`,
        error: line % 10 === 0 ? `${request.custom_id}\n` : '',
        ok: line % 10 !== 0,
        inputTokens: 1,
        outputTokens: 2,
      }),
    },
    progress: NO_PROGRESS,
    checkpoint: (progress) => checkpoints.push(progress),
    pace: null,
    signal: new AbortController().signal,
  };
});
afterEach(() => rm(folder, { recursive: true }));

const outputs = async () => [
  await readFile(work.outputPath, 'utf8'),
  await readFile(work.errorPath, 'utf8'),
];

describe('writing answers', () => {
  test('every request once, in an order that is not the file’s', async () => {
    const progress = await writeAnswers(work);
    expect(progress).toMatchObject({ position: 600, completed: 540, failed: 60, inputTokens: 600 });
    const [output = '', error = ''] = await outputs();
    const ids = `${output}${error}`.trim().split('\n');
    expect(new Set(ids).size).toBe(REQUESTS);
    expect(output.startsWith('r-0\nr-1\nr-2\n')).toBe(false);
    const kept = { ...work, seed: null, outputPath: `${work.outputPath}2` };
    await writeAnswers(kept);
    expect(await readFile(kept.outputPath, 'utf8')).toMatch(/^r-0\nr-1\nr-2\n/);
  });

  test('from any checkpoint on, what stands behind it is cut off and the end is the same', async () => {
    await writeAnswers(work);
    const whole = await outputs();
    for (const progress of checkpoints) {
      // A kill may leave part of the next write, or all of it, behind the last checkpoint.
      await appendFile(work.outputPath, 'torn');
      await appendFile(work.errorPath, 'to');
      await writeAnswers({ ...work, progress });
      expect(await outputs()).toEqual(whole);
    }
    expect(checkpoints.length).toBeGreaterThan(3);
  });

  test('an abort keeps what is written and says how far it came', async () => {
    const stop = new AbortController();
    const { answerer } = work;
    if (!('now' in answerer)) throw new Error('not this one');
    let asked = 0;
    const stopping: Answering['answerer'] = {
      width: 1,
      now: (question) => {
        asked += 1;
        if (asked === 200) stop.abort();
        return answerer.now(question);
      },
    };
    const progress = await writeAnswers({ ...work, answerer: stopping, signal: stop.signal });
    expect(progress.position).toBe(asked);
    expect(asked).toBeLessThan(REQUESTS);
    await writeAnswers({ ...work, progress });
    const ids = (await outputs()).join('').trim().split('\n');
    expect([ids.length, new Set(ids).size]).toEqual([REQUESTS, REQUESTS]);
  });

  test('answers that come later, and in any order, are written in the order of the questions', async () => {
    const { answerer } = work;
    if (!('now' in answerer)) throw new Error('not this one');
    await writeAnswers(work);
    const whole = await outputs();
    let open = 0;
    let most = 0;
    const later: Answering['answerer'] = {
      width: 5,
      later: async (question) => {
        open += 1;
        most = Math.max(most, open);
        await new Promise((resolve) => setTimeout(resolve, question.line % 3));
        open -= 1;
        return answerer.now(question);
      },
    };
    await writeAnswers({ ...work, answerer: later });
    expect(await outputs()).toEqual(whole);
    expect(most).toBe(5);
  });

  test('a slow answer holds back the writing behind it, but not the asking', async () => {
    const { answerer } = work;
    if (!('now' in answerer)) throw new Error('not this one');
    const slow = Promise.withResolvers<void>();
    let asked = 0;
    const later: Answering['answerer'] = {
      width: 4,
      later: async (question) => {
        asked += 1;
        if (asked === 1) await slow.promise;
        // Twice as many as are open at once were asked while the first was.
        if (asked === 8) slow.resolve();
        return answerer.now(question);
      },
    };
    await writeAnswers({ ...work, answerer: later });
    const ids = (await outputs()).join('').trim().split('\n');
    expect([ids.length, new Set(ids).size]).toEqual([REQUESTS, REQUESTS]);
  });

  test('blank lines, however many, are neither asked nor remembered, and are counted', async () => {
    const gap = '\n'.repeat(3_000_000);
    await writeFile(
      work.inputPath,
      `\n${chatLine('a', 'x')}\n${gap}${chatLine('b', 'x')}\n  \n${chatLine('c', 'x')}`,
    );
    await scanFile(work.inputPath, work.indexPath, PROFILES.azure);
    expect((await readFile(work.indexPath)).length).toBe(3 * 16);
    const asked: [string, number][] = [];
    const note: Answering['answerer'] = {
      width: 1,
      now: ({ request, line }) => {
        asked.push([request.custom_id, line]);
        return { output: '', error: '', ok: true, inputTokens: 1, outputTokens: 2 };
      },
    };
    await writeAnswers({ ...work, requests: 3, seed: null, answerer: note });
    expect(asked).toEqual([
      ['a', 2],
      ['b', 3_000_003],
      ['c', 3_000_005],
    ]);
  });

  test('long answers are written as they come, and not a whole chunk at a time', async () => {
    const text = 'x'.repeat(600 * 1024);
    const big: Answering['answerer'] = {
      width: 1,
      now: () => ({ output: text, error: '', ok: true, inputTokens: 1, outputTokens: 2 }),
    };
    await writeAnswers({ ...work, requests: 20, answerer: big });
    expect(checkpoints.map(({ position }) => position)).toEqual(
      Array.from({ length: 10 }, (_none, index) => 2 * (index + 1)),
    );
  });
});
