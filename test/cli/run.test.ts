import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LOCAL, millrace, ndjson, start, workplace } from './command.ts';

describe('run', () => {
  test('brings every row back, in order, and says what happened', async () => {
    const { source, job, out } = workplace(120);
    appendFileSync(source, '120,too,many\n');
    const run = ['run', source, '--job', job, '--out', out, ...LOCAL, '--max-requests', '50'];
    const { code, stdout, stderr } = await millrace(run);
    expect(stderr).toContain('rows: finished');
    expect(stderr).toContain('121: 120 ok, 0 failed, 1 rejected');
    expect(stderr).toContain('3 in 3 batches');
    expect(stderr).toMatch(/rejected +1 ragged_row\n +each with .* in .*rejected\.ndjson/);
    expect(stderr).toContain(`status --job ${job}`);
    expect(stderr).not.toMatch(/Warning/);
    expect(stdout).toBe('');
    expect(code).toBe(2);
    const rows = ndjson(out);
    expect(rows.map(({ ordinal }) => ordinal)).toEqual(Array.from({ length: 121 }, (_, i) => i));
    expect(rows[7]).toMatchObject({
      custom_id: 'rows-7',
      status: 'ok',
      record: { id: '7', text: 'row 7, "quoted"\nзначение 7' },
    });
    expect(rows[120]).toMatchObject({ status: 'rejected', error: { code: 'ragged_row' } });
    expect(statSync(out).mode & 0o077).toBe(0);

    const again = await millrace(run);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('121: 120 ok');
    const status = await millrace(['status', '--job', job]);
    expect(status.stdout).toMatch(/cost +none: answers of the local service/);
  });

  test('prints rows, and nothing else, on standard output', async () => {
    const { job } = workplace(0);
    const input = '{"text":"one"}\n{"text":"two"}\n';
    const args = ['run', '-', '--format', 'ndjson', '--job', job, ...LOCAL];
    const { code, stdout } = await millrace(args, { input });
    expect(code).toBe(0);
    const rows = stdout.trim().split('\n');
    expect(rows.map((row) => JSON.parse(row).record.text)).toEqual(['one', 'two']);
  });

  test('--json gives one event a line on standard error', async () => {
    const { source, job, out } = workplace(60);
    const { code, stderr } = await millrace([
      'run',
      source,
      '--job',
      job,
      '--out',
      out,
      ...LOCAL,
      '--json',
    ]);
    expect(code).toBe(0);
    const events = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const types = events.map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['prepared', 'granted', 'submitted', 'joined']));
    expect(types.at(-1)).toBe('status');
    expect(events.at(-1)).toMatchObject({ state: 'finished', records: 60, ok: 60 });
  });

  test.each(['/responses', '/embeddings'])('the local service takes %s', async (endpoint) => {
    const { source, job, out } = workplace(2);
    const args = ['run', source, '--job', job, '--out', out, ...LOCAL, '--endpoint', endpoint];
    const { code, stderr } = await millrace(args);
    expect(stderr).toContain('2: 2 ok, 0 failed, 0 rejected');
    expect(code).toBe(0);
  });

  test('writes a flat CSV, and a request file goes through as it is', async () => {
    const { folder, job } = workplace(0);
    const source = join(folder, 'requests.jsonl');
    const line = (id: string) =>
      JSON.stringify({
        custom_id: id,
        method: 'POST',
        url: '/chat/completions',
        body: { model: 'gpt-4o', messages: [{ role: 'user', content: id }] },
      });
    writeFileSync(source, `${line('a')}\n${line('b')}\n`);
    const out = join(folder, 'rows.csv.gz');
    const { code } = await millrace([
      ...['run', source, '--format', 'batch', '--job', job, '--out', out, '--service', 'local'],
    ]);
    expect(code).toBe(0);
    expect(readFileSync(out).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
  });
});

describe('the steps one by one', () => {
  test('prepare, submit, collect', async () => {
    const { source, job, out } = workplace(90);
    const prepared = await millrace([
      ...['prepare', source, '--job', job, '--model', 'gpt-4o', '--prompt', '{{text}}'],
      ...['--max-requests', '30', '--json'],
    ]);
    expect(JSON.parse(prepared.stdout)).toMatchObject({ records: 90, shards: 3, rejected: 0 });
    expect(prepared.code).toBe(0);
    const status = await millrace(['status', '--job', job, '--json']);
    expect(JSON.parse(status.stdout)).toMatchObject({
      job: 'rows',
      records: 90,
      pending: 90,
      shards: { sealed: 3 },
      batches: 0,
    });
    const submitted = await millrace(['submit', '--job', job, '--service', 'local']);
    expect(submitted.code).toBe(0);
    const collected = await millrace(['collect', '--job', job, '--wait', '--out', out]);
    expect(collected.stderr).toContain('90: 90 ok');
    expect(ndjson(out)).toHaveLength(90);
    const table = await millrace(['status', '--job', job]);
    expect(table.stdout).toContain('rows: finished');
    expect(table.stdout).toContain('3 done');
  });

  test('estimate and prepare cut the same shards', async () => {
    const { source, job } = workplace(200);
    const request = [
      '--model',
      'gpt-4o',
      '--prompt',
      '{{text}}',
      '--enqueued-tokens',
      '2k',
      '--json',
    ];
    const estimated = await millrace(['estimate', source, ...request]);
    expect(existsSync(job)).toBe(false);
    const prepared = await millrace(['prepare', source, '--job', job, ...request]);
    const plan = JSON.parse(prepared.stdout);
    expect(plan.shards).toBeGreaterThan(3);
    expect(JSON.parse(estimated.stdout)).toMatchObject({
      records: plan.records,
      shards: plan.shards,
      tokens: plan.tokens,
    });
  });

  test('validate finds what the service would refuse', async () => {
    const { folder } = workplace(0);
    const path = join(folder, 'bad.jsonl');
    writeFileSync(path, '{"custom_id":"a"}\nnot json\n');
    const { code, stdout } = await millrace(['validate', path]);
    expect(code).toBe(2);
    expect(stdout).toContain(`${path}:1  invalid_request`);
    expect(stdout).toContain(`${path}:2  invalid_json_line`);
  });

  test('validate takes several files and globs, each by itself', async () => {
    const { folder } = workplace(0);
    const line = JSON.stringify({
      custom_id: 'a',
      method: 'POST',
      url: '/chat/completions',
      body: { model: 'm', messages: [{ role: 'user', content: 'Hi' }] },
    });
    const good = join(folder, '1.jsonl');
    const bad = join(folder, '2.jsonl');
    writeFileSync(good, `${line}\n`);
    expect(await millrace(['validate', good, good.replace('1', '[1]')])).toMatchObject({
      code: 0,
      stderr: `${good}: the service will take it\n`,
    });
    writeFileSync(bad, `${line}\n${line}\n{}\n`);
    const both = await millrace(['validate', join(folder, '*.jsonl')]);
    expect(both).toMatchObject({ code: 2, stderr: '5 findings in 1 of 2 files\n' });
    expect(both.stdout).toContain(`${bad}:2  duplicate_custom_id`);
    expect(both.stdout).not.toContain(good);
    const json = await millrace(['validate', bad, good, '--json']);
    expect(JSON.parse(json.stdout.split('\n')[0] ?? '')).toMatchObject({ file: bad, line: 2 });
    const alone = await millrace(['validate', bad, '--json']);
    expect(JSON.parse(alone.stdout.split('\n')[0] ?? '')).not.toHaveProperty('file');
  });
});

describe('stop and go on', () => {
  /** Some five shards, of which the quota admits three at a time. */
  const SLOW = ['--enqueued-tokens', '2k'];
  const ROWS = 100;

  test.each([
    ['SIGINT', 130],
    ['SIGKILL', null],
  ] as const)('%s, then resume without any flag, brings every row once', async (signal, code) => {
    const { source, job, out } = workplace(ROWS);
    const run = start(['run', source, '--job', job, '--out', out, ...LOCAL, ...SLOW, '--json']);
    await run.saw('"submitted"');
    run.child.kill(signal);
    const stopped = await run.done;
    expect(stopped.code).toBe(code);
    if (signal === 'SIGINT') expect(stopped.stderr).toContain(`resume --job ${job}`);
    expect(existsSync(out)).toBe(false);
    const { stdout } = await millrace(['status', '--job', job]);
    expect(stdout).toMatch(/stopped while (preparing|running); no process works on it now/);
    expect(stdout).toContain(`resume --job ${job}  # go on`);
    const status = await millrace(['status', '--job', job, '--json']);
    expect(JSON.parse(status.stdout)).toMatchObject({ active: false });

    const resumed = await millrace(['resume', '--job', job]);
    expect(resumed.stderr).toContain(`${ROWS}: ${ROWS} ok`);
    expect(resumed.code).toBe(0);
    const expected = Array.from({ length: ROWS }, (_, i) => ({
      ordinal: i,
      custom_id: `rows-${i}`,
      status: 'ok',
      record: { id: `${i}`, text: `row ${i}, "quoted"\nзначение ${i}` },
    }));
    expect(ndjson(out)).toMatchObject(expected);
  });

  test('standard input that was not read to its end is to be given again', async () => {
    const { job, out } = workplace(0);
    const input = Array.from({ length: 3000 }, (_, i) => `{"text":"row ${i}"}\n`).join('');
    const args = ['run', '-', '--format', 'ndjson', '--job', job, '--out', out, ...LOCAL];
    const limited = [...args, '--max-requests', '10', '--json'];
    const run = start(limited, { input });
    await run.saw('"granted"');
    run.child.kill('SIGINT');
    const stopped = await run.done;
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('the same command and the same input');
  });

  test('cancel reaches the process that works, and resume goes on after all', async () => {
    const { source, job, out } = workplace(ROWS);
    // Looks so far apart that the job cannot end before the wish to cancel arrives.
    const slow = [...SLOW, '--poll-interval', '3s'];
    const run = start(['run', source, '--job', job, '--out', out, ...LOCAL, ...slow, '--json']);
    await run.saw('"submitted"');
    const { stdout } = await millrace(['status', '--job', job]);
    expect(stdout).toMatch(/^rows: running {2}/);
    expect(stdout).not.toContain('resume');
    const cancelled = await millrace(['cancel', '--job', job]);
    expect(cancelled.code).toBe(0);
    expect(cancelled.stderr).toContain('Asked the process');
    const ended = await run.done;
    expect(ended.code).toBe(2);
    const status = JSON.parse((await millrace(['status', '--job', job, '--json'])).stdout);
    expect(status).toMatchObject({ state: 'cancelled', records: ROWS });
    expect(status.pending).toBeGreaterThan(0);
    const resumed = await millrace(['resume', '--job', job, '--poll-interval', '200ms']);
    expect(resumed.code).toBe(0);
    expect(ndjson(out)).toHaveLength(ROWS);
  });

  test('an output that is not there is written by the command that status tells', async () => {
    const { source, job, out } = workplace(5);
    const run = await millrace(['run', source, '--job', job, '--out', out, '--keep', ...LOCAL]);
    expect(run.code).toBe(0);
    expect((await millrace(['status', '--job', job])).stdout).not.toContain('resume');
    rmSync(out);
    const { stdout } = await millrace(['status', '--job', job]);
    expect(stdout).toContain(`resume --job ${job}  # write ${out}, which is not there`);
    expect((await millrace(['resume', '--job', job])).code).toBe(0);
    expect(ndjson(out)).toHaveLength(5);
  });

  test('another prompt on the same job is refused, and the difference is named', async () => {
    const { source, job, out } = workplace(20);
    const run = [
      'run',
      source,
      '--job',
      job,
      '--out',
      out,
      '--service',
      'local',
      '--model',
      'gpt-4o',
    ];
    expect((await millrace([...run, '--prompt', 'A {{text}}'])).code).toBe(0);
    const other = await millrace([...run, '--prompt', 'B {{text}}']);
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('request prompt was "A {{text}}", is "B {{text}}"');
  });

  test('purge asks unless it is told not to', async () => {
    const { source, job, out } = workplace(10);
    await millrace(['run', source, '--job', job, '--out', out, ...LOCAL]);
    const asked = await millrace(['purge', '--job', job]);
    expect(asked.code).toBe(1);
    expect(asked.stderr).toContain('--yes');
    expect(existsSync(job)).toBe(true);
    expect((await millrace(['purge', '--job', job, '--yes'])).code).toBe(0);
    expect(existsSync(job)).toBe(false);
    expect(existsSync(out)).toBe(true);
  });
});
