import { expect, test } from 'vitest';
import { LOCAL, millrace, ndjson, workplace } from './command.ts';

// `run --sample N`: the first records go alone, and the job goes on from there.

const SMALL = ['--max-requests', '150'];

test('a sample of 200 is told, waited with, and not paid for twice', async () => {
  const { source, job, out } = workplace(400);
  const flags = ['--job', job, '--out', out, ...LOCAL, ...SMALL];
  const sampled = await millrace(['run', source, ...flags, '--sample', '200']);
  expect(sampled.code, sampled.stderr).toBe(1);
  expect(sampled.stderr).toContain('rows: the sample is answered');
  expect(sampled.stderr).toContain('200 answers: 200 ok, 0 failed, 0 to be tried again');
  expect(sampled.stderr).toMatch(/all 400 by that: [\d,]+ in, [\d,]+ out, about 0\.\d+ USD/);
  expect(sampled.stderr).toContain(`resume --job ${job}`);
  const paused = JSON.parse((await millrace(['status', '--job', job, '--json'])).stdout);
  expect(paused).toMatchObject({ state: 'paused', ok: 200, batches: 2, sample: { wanted: 200 } });
  const resumed = await millrace(['resume', '--job', job]);
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(ndjson(out).map(({ ordinal }) => ordinal)).toEqual(
    Array.from({ length: 400 }, (_, n) => n),
  );
  const { stdout } = await millrace(['status', '--job', job, '--json', '--shards']);
  const status = JSON.parse(stdout);
  // What the forecast said, and what came of it.
  expect(status.cost.actual / paused.sample.forecast.cost).toBeCloseTo(1, 1);
  expect(status.shard_list.map(({ requests }: { requests: number }) => requests)).toEqual([
    150, 50, 150, 50,
  ]);
  expect(status).toMatchObject({ batches: 4, attempts: 4 });
  const table = (await millrace(['status', '--job', job, '--shards'])).stdout;
  expect(table).toMatch(/p0000-0001 +cleaned +default +1 +50 +50 +0 .* USD +0\.\d+ USD +batch_/);
});

test('--yes goes on after the sample at once, and tells it', async () => {
  const { source, job, out } = workplace(60);
  const flags = ['--job', job, '--out', out, ...LOCAL, '--sample', '20', '--yes'];
  const { code, stderr } = await millrace(['run', source, ...flags]);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('the sample is answered');
  expect(ndjson(out)).toHaveLength(60);
});

test('--max-cost stops before a submit, and resume goes on with more', async () => {
  const { source, job, out } = workplace(60);
  const flags = [...LOCAL, '--max-requests', '20', '--param', 'max_tokens=100'];
  // The output of one shard is at most 2,000 tokens: a cent. Nothing is under way to wait for.
  const stopped = await millrace([
    ...['run', source, '--job', job, '--out', out, '--max-cost', '0.009'],
    ...flags,
  ]);
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toMatch(
    /--max-cost 0\.009 would be passed: .* the most that the requests/,
  );
  expect(stopped.stderr).toMatch(/ \(paused\)\n {2}.* resume --job \S+ --max-cost MORE\n$/);
  const status = JSON.parse((await millrace(['status', '--job', job, '--json'])).stdout);
  expect(status).toMatchObject({ state: 'paused', cost: { currency: 'USD' } });
  expect(status.cost.actual).toBe(0);
  const resumed = await millrace(['resume', '--job', job, '--max-cost', '1', '--dynamic-quota']);
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(ndjson(out)).toHaveLength(60);
});

test('collect gives what is there and sends nothing of a job that waits or was cancelled', async () => {
  const { folder, source, job, out } = workplace(60);
  const run = ['run', source, '--job', job, '--out', out, ...LOCAL, '--sample', '20'];
  expect((await millrace(run)).code).toBe(1);
  const rows = `${folder}/so-far.ndjson`;
  const collect = ['collect', '--job', job, '--out', rows];
  const statusOf = async () =>
    JSON.parse((await millrace(['status', '--job', job, '--json'])).stdout);

  const paused = await millrace(collect);
  expect(paused.stderr).toContain('rows: paused');
  expect(paused.code).toBe(1);
  expect(ndjson(rows)).toHaveLength(20);
  expect(await statusOf()).toMatchObject({ state: 'paused', pending: 40, attempts: 1 });

  await millrace(['cancel', '--job', job]);
  const cancelled = await millrace([...collect, '--wait']);
  expect(cancelled.stderr).toContain('rows: cancelled');
  expect(cancelled.code).toBe(2);
  expect(await statusOf()).toMatchObject({ state: 'cancelled', pending: 40, attempts: 1 });

  expect((await millrace(['resume', '--job', job])).code).toBe(0);
  expect(await statusOf()).toMatchObject({ state: 'finished', ok: 60 });
});
