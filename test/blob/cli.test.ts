import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerClient, ContainerSASPermissions } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Failpoint } from '../../src/core/failpoints.ts';
import { EMULATOR_KEY } from '../../src/emulator/index.ts';
import { type Done, millrace, ndjson, workplace } from '../cli/command.ts';
import { EmulatorProcess } from '../reliability/processes.ts';
import { ACCOUNT_KEY, type Azurite, NO_PROXY, namesIn, startAzurite } from './azurite.ts';

const ROWS = 30;
const SHARDS = 3;
const FLAGS = ['--model', 'gpt-4o', '--prompt', 'Label: {{text}}', '--max-requests', '10'];
const FAST = ['--poll-interval', '100ms', '--submit-grace', '2s'];

let azurite: Azurite;
let emulator: EmulatorProcess;

beforeAll(async () => {
  azurite = await startAzurite();
  const blobStorage = azurite.connectionString;
  emulator = new EmulatorProcess(mkdtempSync(join(tmpdir(), 'millrace-blobs-')), {
    speed: 2000,
    blobStorage,
  });
  await emulator.start();
});
afterAll(async () => {
  await emulator.kill();
  rmSync(emulator.data, { recursive: true, force: true });
  await azurite[Symbol.asyncDispose]();
});

/** The environment of a user with the account's connection string; `more` is laid over it. */
function env(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    AZURE_OPENAI_ENDPOINT: emulator.url,
    AZURE_OPENAI_API_KEY: EMULATOR_KEY,
    AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
    ...NO_PROXY,
    ...more,
  };
}

/** One job of the command line. */
function jobIn(container: string) {
  const { source, job, out } = workplace(ROWS);
  const place = ['--blob-container', `${azurite.url}/${container}`];
  return {
    job,
    out,
    run: (more?: Record<string, string>): Promise<Done> =>
      millrace(['run', source, '--job', job, '--out', out, ...FLAGS, ...FAST, ...place], {
        env: env(more),
      }),
    resume: (args: readonly string[] = place): Promise<Done> =>
      millrace(['resume', '--job', job, ...args], { env: env() }),
  };
}

/** Batches that the service made, by its own journal. */
function batchesMade(): number {
  const journal = readFileSync(join(emulator.data, 'journal.ndjson'), 'utf8');
  return new Set(journal.match(/batch_[0-9a-f-]{36}/g)).size;
}

const ALL = Array.from({ length: ROWS }, (_, ordinal) => ordinal);
const DEATHS: readonly Failpoint[] = [
  'upload.after',
  'create.after',
  'collect.fetched',
  'sweep.deleted',
];

describe('millrace run --blob-container', () => {
  test.each(DEATHS)('goes on after its death at %s', async (place) => {
    const container = await azurite.container(`death-${place.replace('.', '-')}`);
    const before = batchesMade();
    const { run, resume, out } = jobIn(container.containerName);
    const dead = await run({ MILLRACE_FAILPOINT: `${place}@2` });
    expect(dead.code).toBeNull();
    const { code, stderr } = await resume();
    expect(stderr).toContain(`${ROWS}: ${ROWS} ok`);
    expect(code).toBe(0);
    expect(ndjson(out).map(({ ordinal }) => ordinal)).toEqual(ALL);
    expect(batchesMade() - before).toBe(SHARDS);
    expect(await namesIn(container)).toEqual([]);
  });

  test('opens the container by a shared access signature, which nobody gets to see', async () => {
    const container = await azurite.container('signed');
    const url = await container.generateSasUrl({
      permissions: ContainerSASPermissions.parse('rwdl'),
      expiresOn: new Date(Date.now() + 3600 * 1000), // 1 h
    });
    const token = new URL(url).search;
    const { run, job } = jobIn('signed');
    const done = await run({ AZURE_STORAGE_CONNECTION_STRING: '', AZURE_STORAGE_SAS_TOKEN: token });
    expect(done.stderr).toContain(`${ROWS}: ${ROWS} ok`);
    expect(await namesIn(container)).toEqual([]);
    const said = done.stdout + done.stderr + contentsOf(job);
    const signature = new URLSearchParams(token).get('sig') ?? 'none';
    for (const secret of [token, signature, encodeURIComponent(signature), ACCOUNT_KEY]) {
      expect(said).not.toContain(secret);
    }
  });

  test('a job is not gone on with elsewhere, or by files, and is told how', async () => {
    const container = await azurite.container('moved');
    const { run, resume } = jobIn('moved');
    const dead = await run({ MILLRACE_FAILPOINT: 'create.after@1' });
    expect(dead.code).toBeNull();
    const list = ['files', 'list', '--json', '--blob-container', `${azurite.url}/moved`];
    const { stdout } = await millrace(list, { env: env() });
    expect(stdout.trim().split('\n')).toHaveLength(await countOf(container));
    const bare = await resume([]);
    expect(bare.code).toBe(1);
    expect(bare.stderr).toContain(`add --blob-container ${azurite.url}/moved`);
    const other = await resume(['--blob-container', `${azurite.url}/other`]);
    expect(other.stderr).toContain(`add --blob-container ${azurite.url}/moved`);
    expect((await resume()).code).toBe(0);
    expect(await namesIn(container)).toEqual([]);
  });

  test('says what is missing before anything is made', async () => {
    const place = `${azurite.url}/absent`;
    const say = async (args: readonly string[], more: Record<string, string> = {}) => {
      const { source, job, out } = workplace(1);
      const base = ['run', source, '--job', job, '--out', out, ...FLAGS, ...FAST];
      const done = await millrace([...base, ...args], { env: env(more) });
      expect(done.code).toBe(1);
      return done.stderr;
    };
    const container = ['--blob-container', place];
    expect(await say(container, { AZURE_STORAGE_CONNECTION_STRING: '' })).toMatch(
      /no credentials for the blob container .*AZURE_STORAGE_CONNECTION_STRING/,
    );
    const signed = await say(['--blob-container', `${place}?sv=1&sig=canary`]);
    expect(signed).toContain('AZURE_STORAGE_SAS_TOKEN');
    expect(signed).not.toContain('canary');
    expect(await say(container, { OPENAI_API_VERSION: '2024-10-21' })).toContain(
      '2025-04-01-preview',
    );
    const forged = await say([...container, '--verbose'], {
      AZURE_STORAGE_CONNECTION_STRING: '',
      AZURE_STORAGE_SAS_TOKEN: 'sv=2024-11-04&sr=c&sp=rwdl&se=2099-01-01T00:00:00Z&sig=canary',
    });
    expect(forged).toContain('shared access signature needs');
    expect(forged).not.toContain('canary');
    const proxy = { HTTPS_PROXY: 'http://127.0.0.1:1' };
    expect(await say(container, { ...proxy, NO_PROXY: 'localhost' })).toContain('to NO_PROXY');
    expect(await say([...container, '--service', 'local'])).toContain('cannot stand together');
    expect(await say(container)).toMatch(/ContainerNotFound.*make the container first/);
  });
});

/** Inputs of ours in a container. */
async function countOf(container: ContainerClient): Promise<number> {
  const names = await namesIn(container);
  return names.filter((name) => name.endsWith('.jsonl') && !name.includes('/')).length;
}

/** Everything in a folder as one text. */
function contentsOf(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'latin1'))
    .join('\n');
}
