import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { AzureOpenAI } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Emulator, type Profile, startEmulator } from '../../src/emulator/index.ts';
import { chatLine, GUIDE_LINES, pause } from './help.ts';

const AZURE = { apiVersion: '2024-10-21', maxRetries: 0 };

/** Somebody else's clients, each on the profile that it is made for. */
const CLIENTS: readonly (readonly [
  name: string,
  profile: Profile,
  make: (emulator: Emulator) => OpenAI,
])[] = [
  [
    'AzureOpenAI',
    'azure',
    ({ url, key }) => new AzureOpenAI({ ...AZURE, endpoint: url, apiKey: key }),
  ],
  [
    'AzureOpenAI with a deployment',
    'azure',
    ({ url, key }) =>
      new AzureOpenAI({ ...AZURE, endpoint: url, apiKey: key, deployment: 'gpt-4o-batch' }),
  ],
  [
    'AzureOpenAI with a token provider',
    'azure-rest',
    ({ url, key }) =>
      new AzureOpenAI({ ...AZURE, endpoint: url, azureADTokenProvider: async () => key }),
  ],
  [
    'OpenAI on the v1 base',
    'azure-v1',
    ({ url, key }) => new OpenAI({ baseURL: `${url}/openai/v1/`, apiKey: key, maxRetries: 0 }),
  ],
  [
    'OpenAI',
    'openai',
    ({ url, key }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 }),
  ],
];

describe.each(CLIENTS)('%s on %s', (_name, profile, make) => {
  let emulator: Emulator;
  let client: OpenAI;
  let folder: string;
  let path: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    path = join(folder, 'test.jsonl');
    await writeFile(path, GUIDE_LINES);
    emulator = await startEmulator({ profile, speed: 50_000 });
    client = make(emulator);
  });
  afterAll(async () => {
    await emulator.close();
    await rm(folder, { recursive: true });
  });

  const upload = async () => {
    const file = await client.files.create({ file: createReadStream(path), purpose: 'batch' });
    // The SDK's own wait asks every 5 s unless it is told otherwise.
    return client.files.waitForProcessing(file.id, { pollInterval: 5, maxWait: 10 * 1000 });
  };
  const create = (file: string) =>
    client.batches.create({
      input_file_id: file,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
  const ended = async (id: string) => {
    for (;;) {
      const batch = await client.batches.retrieve(id);
      const status = batch.status.toLowerCase();
      if (['completed', 'failed', 'cancelled', 'expired'].includes(status)) return batch;
      await pause(5);
    }
  };

  test('upload by stream, wait, create, retrieve, content as a stream', async () => {
    const file = await upload();
    expect(file).toMatchObject({ filename: 'test.jsonl', status: 'processed' });
    const batch = await ended((await create(file.id)).id);
    expect(batch.request_counts).toEqual({ total: 3, completed: 3, failed: 0 });
    const response = await client.files.content(batch.output_file_id ?? '');
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
    const ids = text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
    expect(ids.sort()).toEqual(['task-0', 'task-1', 'task-2']);
  });

  test('lists page by themselves', async () => {
    const file = await upload();
    const made = new Set<string>();
    for (let count = 0; count < 5; count += 1) made.add((await create(file.id)).id);
    const seen = [];
    for await (const batch of client.batches.list({ limit: 2 })) seen.push(batch.id);
    expect(new Set(seen).size).toBe(seen.length);
    for (const id of made) expect(seen).toContain(id);
    const files = [];
    for await (const one of client.files.list({ limit: 2, purpose: 'batch', order: 'asc' })) {
      files.push(one.created_at);
    }
    expect(files).toEqual([...files].sort((one, other) => one - other));
  });

  test('cancel and delete', async () => {
    const file = await upload();
    const batch = await client.batches.cancel((await create(file.id)).id);
    expect(batch.status.toLowerCase()).toBe('cancelling');
    expect((await ended(batch.id)).status.toLowerCase()).toBe('cancelled');
    expect(await client.files.delete(file.id)).toMatchObject({ id: file.id, deleted: true });
    await expect(client.files.retrieve(file.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test('errors become the SDK’s own', async () => {
    await expect(client.batches.retrieve('batch_none')).rejects.toBeInstanceOf(
      OpenAI.NotFoundError,
    );
    const wrong = { purpose: 'batch', file: new File(['{}'], 'a.txt', { type: 'a/b' }) } as const;
    await expect(client.files.create(wrong)).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    const stranger = make({ ...emulator, key: 'wrong' });
    await expect(stranger.batches.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await emulator.setFaults({
      rules: [
        { on: 'batches.list', nth: 1, do: 'refuse', error: 'tooManyRequests' },
        { on: 'batches.list', nth: 2, do: 'answer', status: 503 },
        { on: 'batches.list', nth: 3, do: 'refuse', error: 'forbidden' },
      ],
    });
    await expect(client.batches.list()).rejects.toBeInstanceOf(OpenAI.RateLimitError);
    await expect(client.batches.list()).rejects.toBeInstanceOf(OpenAI.InternalServerError);
    await expect(client.batches.list()).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError);
    await client.batches.list();
    await emulator.setFaults({});
  });

  test('a lost answer to create makes a second batch when the SDK tries again', async () => {
    const file = await upload();
    await emulator.setFaults({ rules: [{ on: 'batches.create', nth: 1, do: 'cut-after' }] });
    const before = await count();
    const retrying = client.withOptions({ maxRetries: 2 });
    await retrying.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    expect((await count()) - before).toBe(2);
    await emulator.setFaults({});
  });

  const count = async () => {
    let batches = 0;
    for await (const _batch of client.batches.list({ limit: 100 })) batches += 1;
    return batches;
  };

  test('expiry and failed validation', async () => {
    const file = await client.files.create({
      file: new File([chatLine('a', 'b')], 'a.jsonl', { type: 'application/jsonl' }),
      purpose: 'batch',
      expires_after: { anchor: 'created_at', seconds: 1_209_600 },
    });
    // The dated surface of 2024 does not hear of it.
    const heard = !profile.startsWith('azure') || profile === 'azure-v1';
    const life = (file.expires_at ?? file.created_at) - file.created_at;
    expect(life).toBe(heard ? 1_209_600 : 0);
    await client.files.waitForProcessing(file.id, { pollInterval: 5 });
    const batch = await client.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/embeddings',
      completion_window: '24h',
    });
    const failed = await ended(batch.id);
    // Azure's v1 surface looks into the file and not at the endpoint.
    const lenient = profile === 'azure-v1';
    expect(failed.status.toLowerCase()).toBe(lenient ? 'completed' : 'failed');
    if (!lenient) expect(failed.errors?.data?.[0]?.code).toBe('url_mismatch');
  });

  test('models', async () => {
    const models = [];
    for await (const model of client.models.list()) models.push(model.id);
    expect(models.length).toBeGreaterThan(0);
  });
});
