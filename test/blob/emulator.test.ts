import type { ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Emulator, type EmulatorOptions, startEmulator } from '../../src/emulator/index.ts';
import { temporaryDirectory } from '../jobs/helpers.ts';
import { type Azurite, namesIn, startAzurite } from './azurite.ts';

let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite[Symbol.asyncDispose]());

type Json = Record<string, unknown>;

async function start(options: EmulatorOptions = {}): Promise<Emulator> {
  const blobStorage = azurite.connectionString;
  const emulator = await startEmulator({ speed: 5000, blobStorage, ...options });
  onTestFinished(() => emulator.close());
  return emulator;
}

/** A container with one input of two requests. */
async function input(name: string, ids: readonly string[] = ['a', 'b']) {
  const container = await azurite.container(name);
  const lines = ids.map((custom_id) =>
    JSON.stringify({
      custom_id,
      method: 'POST',
      url: '/chat/completions',
      body: { model: 'm', messages: [{ role: 'user', content: 'Hello' }] },
    }),
  );
  await put(container, `${lines.join('\n')}\n`);
  const input_blob = `${azurite.url}/${name}/test.jsonl`;
  const output_folder = { url: `${azurite.url}/${name}/out` };
  return { container, input_blob, output_folder };
}

async function put(container: ContainerClient, text: string): Promise<void> {
  await container.getBlockBlobClient('test.jsonl').upload(text, Buffer.byteLength(text));
}

async function call(emulator: Emulator, path: string, body?: Json) {
  const response = await fetch(`${emulator.url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'api-key': emulator.key, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Json };
}

const BATCHES = '/openai/batches?api-version=2025-04-01-preview';
const WANTED = { endpoint: '/chat/completions', completion_window: '24h' };

async function ended(emulator: Emulator, id: unknown): Promise<Json> {
  for (;;) {
    const { json } = await call(emulator, BATCHES.replace('?', `/${id}?`));
    if (['completed', 'failed', 'cancelled'].includes(String(json.status))) return json;
    await new Promise((go) => setTimeout(go, 10));
  }
}

describe('the emulator with a storage account', () => {
  test('reads a blob and writes the answers into the folder', async () => {
    const emulator = await start();
    const { container, input_blob, output_folder } = await input('whole');
    const wanted = { ...WANTED, input_file_id: null, input_blob, output_folder };
    const { status, json } = await call(emulator, BATCHES, wanted);
    expect(status).toBe(200);
    expect(json).toMatchObject({
      input_file_id: null,
      input_blob,
      output_blob: '',
      error_blob: '',
    });
    const done = await ended(emulator, json.id);
    expect(done).toMatchObject({
      status: 'completed',
      request_counts: { total: 2, completed: 2, failed: 0 },
      output_file_id: null,
      error_file_id: null,
    });
    const folder = `${output_folder.url}/`;
    expect(done.output_blob).toMatch(new RegExp(`^${folder}[0-9a-f-]{36}/results\\.jsonl$`));
    expect(done.error_blob).toBe(String(done.output_blob).replace('results.jsonl', 'errors.jsonl'));
    // Nothing failed: the second one is named and not there.
    const name = String(done.output_blob).slice(`${azurite.url}/whole/`.length);
    expect(await namesIn(container)).toEqual([name, 'test.jsonl']);
    const answers = await container.getBlobClient(name).downloadToBuffer();
    const ids = String(answers)
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
    expect(ids.sort()).toEqual(['a', 'b']);
  });

  test('goes on after a restart', async () => {
    const options: EmulatorOptions = {
      data: await temporaryDirectory(),
      speed: 1,
      switches: { validatingSeconds: [1, 1], runningSeconds: [0, 0], finalizingSeconds: [0, 0] },
    };
    const first = await start(options);
    const { container, input_blob, output_folder } = await input('restart');
    const { json } = await call(first, BATCHES, { ...WANTED, input_blob, output_folder });
    await first.close();
    const done = await ended(await start(options), json.id);
    expect(done).toMatchObject({ status: 'completed', input_blob });
    expect(await namesIn(container)).toHaveLength(2);
  });

  test('fails a batch whose blob was changed, went, or never could be read', async () => {
    const emulator = await start({ switches: { validatingSeconds: [10_000, 10_000] } });
    const codes: unknown[] = [];
    const { container, input_blob, output_folder } = await input('changes');
    const wanted = { ...WANTED, input_blob, output_folder };
    const changed = (await call(emulator, BATCHES, wanted)).json;
    await put(container, 'changed');
    codes.push(changed, (await call(emulator, BATCHES, wanted)).json);
    const gone = await input('goes');
    codes.push((await call(emulator, BATCHES, { ...wanted, input_blob: gone.input_blob })).json);
    await gone.container.getBlobClient('test.jsonl').delete();
    for (const unreadable of [
      `${azurite.url}/changes/absent.jsonl`,
      'https://elsewhere.example/a/b.jsonl',
    ]) {
      codes.push((await call(emulator, BATCHES, { ...wanted, input_blob: unreadable })).json);
    }
    const found: unknown[] = [];
    for (const made of codes) {
      const { status, errors } = await ended(emulator, (made as Json).id);
      expect(status).toBe('failed');
      found.push((errors as { data: { code: string }[] }).data[0]?.code);
    }
    expect(found).toEqual([
      'input_modified',
      'invalid_json_line',
      'input_no_permissions',
      'input_no_permissions',
      'input_no_permissions',
    ]);
  });

  test('refuses what does not go with a blob', async () => {
    const emulator = await start();
    const { input_blob, output_folder } = await input('refused');
    const wanted = { ...WANTED, input_blob, output_folder };
    const refused = async (body: Json, path = BATCHES) => {
      const { status, json } = await call(emulator, path, body);
      expect(status).toBe(400);
      return (json.error as { message: string }).message;
    };
    expect(await refused({ ...wanted, metadata: { a: 'b' } })).toContain('metadata');
    expect(await refused({ ...wanted, input_file_id: 'file-1' })).toContain('input_file_id');
    expect(await refused({ ...WANTED, input_blob })).toContain('output_folder');
    expect(await refused({ ...wanted, output_folder: {} })).toContain('output_folder.url');
    expect(await refused({ ...wanted, input_blob: 'no url' })).toContain('input_blob');
    const old = '/openai/batches?api-version=2024-10-21';
    expect(await refused(wanted, old)).toContain('input_file_id');
    const other = await start({ profile: 'openai' });
    const { status } = await call(other, '/v1/batches', wanted);
    expect(status).toBe(400);
  });

  test('a blob beyond 1 GB, or the switch, fails its batch', async () => {
    const emulator = await start({ switches: { maxBlobBytes: 100 } });
    const { input_blob, output_folder } = await input('large');
    const { json } = await call(emulator, BATCHES, { ...WANTED, input_blob, output_folder });
    const { errors } = await ended(emulator, json.id);
    expect(errors).toMatchObject({ data: [{ code: 'invalid_request' }] });
  });

  test('takes no account that is not on this machine', async () => {
    const blobStorage =
      'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Y2FuYXJ5;EndpointSuffix=core.windows.net';
    await expect(startEmulator({ blobStorage })).rejects.toThrow(/not on this machine/);
    await expect(startEmulator({ blobStorage: 'canary' })).rejects.toThrow(/cannot be read$/);
  });
});
