import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Emulator, startEmulator } from '../../src/emulator/index.ts';
import { azureOpenAI } from '../../src/service/targets.ts';
import { LOCAL, millrace, workplace } from './command.ts';

// `millrace batches` and `millrace files` on a resource that a job of ours and others share.

let emulator: Emulator;
let env: Record<string, string>;
const place = workplace(5);

beforeAll(async () => {
  emulator = await startEmulator({
    speed: 2000,
    faults: { foreign: [{ batches: 2, deployment: 'theirs', seconds: 100_000 }] },
  });
  env = { AZURE_OPENAI_ENDPOINT: emulator.url, AZURE_OPENAI_API_KEY: emulator.key };
  const flags = ['--poll-interval', '200ms', '--model', 'gpt-4o', '--prompt', '{{text}}'];
  const { source, job, out } = place;
  const done = await millrace(['run', source, '--job', job, '--out', out, ...flags], { env });
  expect(done.code, done.stderr).toBe(0);
});
afterAll(() => emulator.close());

interface Shown {
  id: string;
  status: string;
  metadata: Record<string, string>;
  name: string;
}

async function listed(...args: string[]): Promise<Shown[]> {
  const { code, stdout, stderr } = await millrace([...args, '--json'], { env });
  expect(code, stderr).toBe(0);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Shown);
}

/** An input file that nobody made a batch of, as a killed run or another program leaves it. */
async function leave(name: string): Promise<string> {
  const { service } = azureOpenAI({ endpoint: emulator.url, apiKey: emulator.key });
  const content = Buffer.from('{}\n');
  const { id } = await service.uploadFile({
    name,
    bytes: content.length,
    async *open() {
      yield content;
    },
  });
  await service.close();
  return id;
}

describe('millrace batches', () => {
  test('lists all, by status, by time, by filter and by job', async () => {
    expect(await listed('batches', 'list')).toHaveLength(3);
    expect(await listed('batches', 'list', '--limit', '2')).toHaveLength(2);
    const ours = await listed('batches', 'list', '--status', 'completed');
    expect(ours.map(({ metadata }) => metadata.millrace_shard)).toEqual(['p0000-0000']);
    expect(await listed('batches', 'list', '--status', 'live')).toHaveLength(2);
    expect(await listed('batches', 'list', '--job', place.job)).toEqual(ours);
    expect(await listed('batches', 'list', '--filter', "status eq 'Completed'")).toEqual(ours);
    expect(await listed('batches', 'list', '--since', '1h')).toHaveLength(3);
    expect(await listed('batches', 'list', '--since', '2999-01-01')).toHaveLength(0);
  });

  test('shows a table of people, ids whole', async () => {
    const [batch] = await listed('batches', 'list', '--job', place.job);
    const { stdout } = await millrace(['batches', 'list'], { env });
    expect(stdout).toMatch(/^BATCH +STATUS +CREATED +DONE +FAILED +TOTAL +OF\n/);
    expect(stdout).toMatch(
      new RegExp(`${batch?.id}  completed .* 5 +0 +5  rows\\.\\w+ p0000-0000`),
    );
  });

  test('lets a version that has a filter do the work', async () => {
    const preview = { ...env, OPENAI_API_VERSION: '2025-04-01-preview' };
    const { stdout } = await millrace(
      ['batches', 'list', '--json', '--filter', "status eq 'Completed'"],
      { env: preview },
    );
    expect(stdout.trim().split('\n')).toHaveLength(1);
    const asked = emulator.accessLog().filter(({ path }) => path.includes('%24filter'));
    expect(asked).toHaveLength(1);
    expect(decodeURIComponent(asked[0]?.path ?? '')).toContain("(status+eq+'Completed')");
  });

  test('says how a filter and a status are written', async () => {
    const filter = await millrace(['batches', 'list', '--filter', 'status = done'], { env });
    expect(filter.code).toBe(1);
    expect(filter.stderr).toContain('write it as "created_at gt');
    const status = await millrace(['batches', 'list', '--status', 'done'], { env });
    expect(status.stderr).toContain('--status "done" is not known: it is live, ended');
  });

  test('gets and cancels by id', async () => {
    const [theirs] = await listed('batches', 'list', '--status', 'live');
    const id = theirs?.id ?? '';
    const { stdout } = await millrace(['batches', 'get', id], { env });
    expect(stdout).toMatch(new RegExp(`^batch +${id}\nstatus +\\w+`));
    expect(await listed('batches', 'cancel', id)).toMatchObject([{ id, status: 'cancelling' }]);
    const none = await millrace(['batches', 'get', 'batch_none'], { env });
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('there is no batch batch_none');
  });
});

describe('millrace files', () => {
  test('lists what there is and counts it against the quota', async () => {
    const { stdout, stderr } = await millrace(['files', 'list'], { env });
    expect(stdout.match(/foreign\.jsonl/g)).toHaveLength(2);
    expect(stderr).toContain('2 of 500 input files at ');
  });

  test('gc deletes what our finished jobs left, after asking, and nothing else', async () => {
    const ours = await leave('millrace.old.0123abcd.p0000-0000.1.default.0123456789ab.jsonl');
    const alike = await leave('millrace.notes.jsonl');
    const now = ['--older-than', '1ms'];
    const asks = await millrace(['files', 'gc', ...now], { env });
    expect(asks.code).toBe(1);
    expect(asks.stdout).toContain(ours);
    expect(asks.stderr).toContain('files gc would delete 1 file of finished jobs and cannot ask');
    const young = await millrace(['files', 'gc', '--yes'], { env });
    expect(young.stderr).toContain('Nothing to delete');
    expect((await millrace(['files', 'gc', '--yes', ...now], { env })).code).toBe(0);
    const names = await listed('files', 'list');
    expect(names.map(({ name }) => name).sort()).toEqual([
      'foreign.jsonl',
      'foreign.jsonl',
      'millrace.notes.jsonl',
    ]);
    const removed = await millrace(['files', 'delete', alike, alike], { env });
    expect(removed.code).toBe(0);
    expect(removed.stderr).toMatch(/^Deleted (\S+)\.\nThere is no file \1 at http/);
    expect(await listed('files', 'list')).toHaveLength(2);
  });
});

test('a job at the local service shows its own', async () => {
  const { source, job, out } = workplace(3);
  await millrace(['run', source, '--job', job, '--out', out, ...LOCAL]);
  const here = await millrace(['batches', 'list', '--job', job]);
  expect(here.stdout).toContain('completed');
  const nowhere = await millrace(['batches', 'list', '--service', 'local']);
  expect(nowhere.code).toBe(1);
  expect(nowhere.stderr).toContain('--service local needs --job DIR');
});
