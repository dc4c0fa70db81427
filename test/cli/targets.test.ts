import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Emulator, startEmulator } from '../../src/emulator/index.ts';
import { millrace, ndjson, start, workplace } from './command.ts';

// `--targets FILE`: two services of their own, reached by URLs and keys of their own.

const FAST = ['--poll-interval', '200ms', '--submit-grace', '3s'];
const REQUEST = ['--model', 'gpt-4o', '--prompt', 'Label: {{text}}', '--max-requests', '5'];
const env = { EAST_KEY: 'canary-east', WEST_KEY: 'canary-west' };
let east: Emulator;
let west: Emulator;
const place = workplace(100);
const file = join(place.folder, 'targets.json');

beforeAll(async () => {
  east = await startEmulator({ key: env.EAST_KEY, speed: 500, enqueuedTokens: 3000 });
  west = await startEmulator({
    key: env.WEST_KEY,
    speed: 500,
    profile: 'azure-v1',
    enqueuedTokens: 2000,
  });
  write(file, [
    {
      name: 'east',
      endpoint: east.url,
      deployment: 'label-east',
      keyEnv: 'EAST_KEY',
      enqueuedTokens: '3k',
      weight: 2,
    },
    {
      name: 'west',
      endpoint: `${west.url}/openai/v1`,
      deployment: 'a-much-longer-name-of-a-deployment',
      keyEnv: 'WEST_KEY',
      enqueuedTokens: 2000,
    },
  ]);
});
afterAll(() => Promise.all([east.close(), west.close()]));

function write(path: string, targets: unknown): void {
  writeFileSync(path, JSON.stringify(targets));
}

function created(emulator: Emulator) {
  return emulator.eventLog().filter(({ kind, from }) => kind === 'batch' && from === null);
}

describe('a job over two targets', () => {
  const { source, job, out } = place;
  const flags = [...REQUEST, ...FAST, '--targets', file];

  test('is killed half-way and resumed, with every row once', async () => {
    const run = start(['run', source, '--job', job, '--out', out, ...flags], { env });
    while (created(east).length < 2 || created(west).length < 1) {
      if (run.child.exitCode !== null) throw new Error((await run.done).stderr);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    run.child.kill('SIGKILL');
    await run.done;
    const alone = await millrace(['resume', '--job', job], { env });
    expect(alone.code).toBe(1);
    expect(alone.stderr).toContain('no service was named');
    const elsewhere = await millrace(['resume', '--job', job], {
      env: { ...env, AZURE_OPENAI_ENDPOINT: west.url, AZURE_OPENAI_API_KEY: env.WEST_KEY },
    });
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.stderr).toContain('give --targets with the target "east"');
    const { code, stderr } = await millrace(['resume', '--job', job, '--targets', file], { env });
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('100: 100 ok');
    const rows = ndjson(out);
    expect(rows.map(({ ordinal }) => ordinal)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    const attempts = [...created(east), ...created(west)].map(({ detail }) => {
      const metadata = detail.metadata as Record<string, string>;
      return `${metadata.millrace_shard}.${metadata.millrace_attempt}`;
    });
    expect(new Set(attempts).size).toBe(attempts.length);
    expect(new Set(created(west).map(({ detail }) => detail.deployment))).toEqual(
      new Set(['a-much-longer-name-of-a-deployment']),
    );
  }, 60_000);

  test('shows each target, what it is signed in by, and no key', async () => {
    const { stdout } = await millrace(['status', '--job', job, '--json']);
    const { targets } = JSON.parse(stdout);
    expect(targets).toMatchObject([
      {
        name: 'east',
        deployment: 'label-east',
        credential: 'the key in EAST_KEY',
        state: 'open',
        tokens: { held: 0, limit: 3000 },
        files: { ours: 0, most: 500 },
      },
      { name: 'west', files: { most: 10_000 } },
    ]);
    const table = (await millrace(['status', '--job', job])).stdout;
    expect(table).toMatch(/east +http.*label-east; 0 batches, 0 of 3,000 tokens/);
    expect(stdout + table).not.toContain('canary');
  });

  test('is listed and purged at both', async () => {
    const list = await millrace(['batches', 'list', '--targets', file, '--limit', '100'], { env });
    expect(list.stdout).toMatch(/^TARGET +BATCH/);
    expect(list.stdout).toMatch(/^east +batch_/m);
    expect(list.stdout).toMatch(/^west +batch_/m);
    const files = await millrace(['files', 'list', '--targets', file], { env });
    expect(files.stderr).toMatch(/0 of 500 .*\n0 of 10000 /);
    const purge = await millrace(['purge', '--job', job, '--yes', '--targets', file], { env });
    expect(purge.code, purge.stderr).toBe(0);
  });
});

describe('a file of targets', () => {
  const path = join(place.folder, 'bad.json');
  const sound = { name: 'a', endpoint: 'https://a.openai.azure.com' };

  test.each([
    [[{ ...sound, apiKey: 'canary' }], 'has a field "apiKey": put the key into an environment'],
    [[{ ...sound, region: 'x' }], 'has a field "region" that is not known: there are name'],
    [[sound, sound], 'two targets are called "a"'],
    [[{ name: 'a' }], 'target 1 lacks its endpoint'],
    [[{ ...sound, weight: '2' }], 'weight must be a number above 0'],
    [[{ ...sound, enqueuedTokens: 'lots' }], 'enqueuedTokens "lots" is not a count'],
    [[{ ...sound, auth: 'magic' }], 'auth "magic" is not known'],
    [[{ ...sound, name: '../a' }], '"../a" cannot name a target'],
    [[{ ...sound, keyEnv: 'NOT_SET' }], 'NOT_SET is not set'],
    [{}, 'must hold a JSON array of targets'],
  ])('is refused in words: %j', async (targets, words) => {
    write(path, targets);
    const { code, stderr } = await millrace(['batches', 'list', '--targets', path]);
    expect(code).toBe(1);
    expect(stderr).toContain(words);
    expect(stderr).not.toContain('canary');
  });

  test('does not stand beside the flags of one service', async () => {
    const { stderr } = await millrace([
      ...['run', place.source, '--job', join(place.folder, 'x.job'), '--out', place.out],
      ...[...REQUEST, '--targets', file, '--auth', 'cli'],
    ]);
    expect(stderr).toContain('--targets and --auth cannot stand together');
  });
});
