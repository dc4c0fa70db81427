import { describe, expect, test } from 'vitest';
import type { BatchService } from '../../src/core/service.ts';
import { azureOpenAI, openAI } from '../../src/service/index.ts';
import type { FaultServer, Handler } from './server.ts';
import { BATCH, collect, FILE, faultServer, json, QUICK } from './server.ts';

const KEY = 'canary-key-123';

async function withService(
  handlers: Handler[],
  use: (service: BatchService, server: FaultServer) => Promise<void>,
  path = '',
): Promise<void> {
  await using server = await faultServer(...handlers);
  const { service } = azureOpenAI({ ...QUICK, endpoint: server.origin + path, apiKey: KEY });
  try {
    await use(service, server);
  } finally {
    await service.close();
  }
}

const upload = (body: string, bytes = Buffer.byteLength(body)) => ({
  name: 'a.jsonl',
  bytes,
  async *open() {
    yield Buffer.from(body);
  },
});

describe('what is sent', () => {
  test('an upload is a form with a known length, purpose before file', async () => {
    await withService([json(FILE, 201)], async (service, { seen }) => {
      const file = await service.uploadFile(upload('{"a":1}\n'));
      expect(file).toEqual({
        id: 'file-1',
        name: 'a.jsonl',
        bytes: 6,
        status: 'pending',
        purpose: 'batch',
        createdAt: 1721408291000,
        expiresAt: null,
      });
      const { method, url, headers, body } = seen[0]!;
      expect(`${method} ${url.pathname}${url.search}`).toBe(
        'POST /openai/files?api-version=2024-10-21',
      );
      expect(headers['api-key']).toBe(KEY);
      expect(headers['transfer-encoding']).toBeUndefined();
      expect(Number(headers['content-length'])).toBe(body.length);
      const form = await new Response(new Uint8Array(body), {
        headers: { 'content-type': headers['content-type'] ?? '' },
      }).formData();
      expect(form.get('purpose')).toBe('batch');
      const part = form.get('file');
      expect(part).toBeInstanceOf(File);
      expect((part as File).name).toBe('a.jsonl');
      expect((part as File).type).toBe('application/json');
      expect(await (part as File).text()).toBe('{"a":1}\n');
    });
  });

  test('a create on azure, its queue headers and its odd answer', async () => {
    const answer = json(BATCH, 201, {
      'deployment-enqueued-tokens': '139',
      'deployment-maximum-enqueued-tokens': '740000',
    });
    await withService([answer], async (service, { seen }) => {
      const created = await service.createBatch({
        inputFileId: 'file-1',
        endpoint: '/chat/completions',
        metadata: { job: 'j', shard: 's' },
      });
      expect(created.queue).toEqual({ enqueuedTokens: 139, maximumEnqueuedTokens: 740000 });
      expect(created.batch).toMatchObject({ id: 'batch_1', status: 'validating', endpoint: null });
      expect(JSON.parse(String(seen[0]!.body))).toEqual({
        input_file_id: 'file-1',
        endpoint: '/chat/completions',
        completion_window: '24h',
        metadata: { job: 'j', shard: 's' },
      });
    });
  });

  test('azure-v1 sends no version and keeps the endpoint bare', async () => {
    await withService(
      [json(BATCH)],
      async (service, { seen, origin }) => {
        await service.createBatch({ inputFileId: 'f', endpoint: '/responses', metadata: {} });
        expect(seen[0]!.url.href).toBe('http://server/openai/v1/batches');
        expect(JSON.parse(String(seen[0]!.body)).endpoint).toBe('/responses');
        expect(service.resource).toBe(`${origin}/openai/v1`);
        expect(service.dialect.lineUrlPrefix).toBe('/v1');
      },
      '/openai/v1',
    );
  });

  test('openai sends the key as Bearer and /v1 before the endpoint', async () => {
    await using server = await faultServer(json(BATCH));
    const { service, deployment } = openAI({
      ...QUICK,
      baseURL: `${server.origin}/v1`,
      apiKey: KEY,
      model: 'gpt-x',
    });
    await service.createBatch({ inputFileId: 'f', endpoint: '/embeddings', metadata: {} });
    await service.close();
    expect(deployment).toBe('gpt-x');
    expect(server.seen[0]!.url.href).toBe('http://server/v1/batches');
    expect(server.seen[0]!.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(JSON.parse(String(server.seen[0]!.body)).endpoint).toBe('/v1/embeddings');
  });

  test('the other calls: paths and methods', async () => {
    const paths = async (call: (service: BatchService) => Promise<unknown>, answer: Handler) => {
      let line = '';
      await withService([answer], async (service, { seen }) => {
        await call(service);
        line = `${seen[0]!.method} ${seen[0]!.url.pathname}`;
      });
      return line;
    };
    expect(await paths((s) => s.getFile('file-1'), json(FILE))).toBe('GET /openai/files/file-1');
    expect(await paths((s) => s.getFile('../x'), json(FILE))).toBe('GET /openai/files/..%2Fx');
    expect(await paths((s) => s.deleteFile('f'), json({ deleted: true }))).toBe(
      'DELETE /openai/files/f',
    );
    expect(await paths((s) => s.deleteFile('f'), json({}, 404))).toBe('DELETE /openai/files/f');
    expect(await paths((s) => s.getBatch('b'), json(BATCH))).toBe('GET /openai/batches/b');
    expect(await paths((s) => s.cancelBatch('b'), json(BATCH))).toBe(
      'POST /openai/batches/b/cancel',
    );
    await expect(paths((s) => s.getFile(''), json(FILE))).rejects.toMatchObject({ code: 'bad_id' });
  });

  test('a source that is not as long as it said is not sent as a file', async () => {
    for (const bytes of [3, 30]) {
      await withService([json(FILE)], async (service, { seen, count }) => {
        await expect(service.uploadFile(upload('{"a":1}\n', bytes))).rejects.toMatchObject({
          code: 'upload_length',
        });
        expect(seen).toEqual([]);
        expect(count()).toBeLessThanOrEqual(1);
      });
    }
  });

  test('an error of the source is thrown as it is, without another try', async () => {
    await withService([json(FILE)], async (service) => {
      let opened = 0;
      const broken = {
        name: 'a.jsonl',
        bytes: 100,
        async *open() {
          opened++;
          yield Buffer.from('x');
          throw new TypeError('disk is gone');
        },
      };
      await expect(service.uploadFile(broken)).rejects.toThrow(TypeError);
      expect(opened).toBe(1);
    });
  });
});

describe('lists', () => {
  const page = (ids: string[], more?: boolean, key = 'data') =>
    json({
      [key]: ids.map((id) => ({ ...BATCH, id })),
      ...(more === undefined ? {} : { has_more: more }),
    });

  test('pages by the last id until there is no more', async () => {
    await withService(
      [page(['a', 'b'], true), page(['b', 'c'], true), page([], true)],
      async (service, { seen }) => {
        const ids = (await collect(service.listBatches())).map((batch) => batch.id);
        expect(ids).toEqual(['a', 'b', 'c']);
        expect(seen.map(({ url }) => url.searchParams.get('after'))).toEqual([null, 'b', 'c']);
      },
    );
  });

  test('a missing has_more ends it, and `value` is a list as well', async () => {
    await withService([page(['a'], undefined, 'value')], async (service, { seen }) => {
      expect(await collect(service.listBatches())).toHaveLength(1);
      expect(seen).toHaveLength(1);
    });
  });

  test('a page that repeats is an error, not a loop and not a short list', async () => {
    await withService([page(['a', 'b'], true)], async (service, { count }) => {
      await expect(collect(service.listBatches())).rejects.toMatchObject({ code: 'bad_answer' });
      expect(count()).toBe(2);
    });
  });

  test('stops loading when nobody pulls', async () => {
    await withService([page(['a'], true), page(['b'], true)], async (service, { count }) => {
      for await (const batch of service.listBatches()) {
        expect(batch.id).toBe('a');
        break;
      }
      expect(count()).toBe(1);
    });
  });

  test('files of other purposes are left out', async () => {
    const files = json({ data: [FILE, { ...FILE, id: 'o', purpose: 'batch_output' }] });
    await withService([files], async (service, { seen }) => {
      expect((await collect(service.listFiles())).map((file) => file.id)).toEqual(['file-1']);
      expect(seen[0]!.url.searchParams.get('purpose')).toBe('batch');
    });
  });

  test('a cancel that is refused because the batch is over gives the batch', async () => {
    const over = json({ ...BATCH, status: 'Completed' });
    await withService([json({}, 400), over], async (service) => {
      expect(await service.cancelBatch('b')).toMatchObject({ status: 'completed' });
    });
    await withService([json({ error: { code: 'no' } }, 400), json(BATCH)], async (service) => {
      await expect(service.cancelBatch('b')).rejects.toMatchObject({ code: 'no', status: 400 });
    });
  });
});
