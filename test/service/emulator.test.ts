import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TERMINAL_STATUSES } from '../../src/core/batch.ts';
import { startEmulator } from '../../src/emulator/index.ts';
import { azureOpenAI, LOCAL_KEY_PREFIX, openAI } from '../../src/service/index.ts';
import { collect } from './server.ts';

const LINES = 20;

test.each(['azure', 'azure-v1', 'openai'] as const)(
  'a batch from end to end: %s',
  async (profile) => {
    await using emulator = await startEmulator({ profile, speed: 10_000 });
    expect(emulator.key.startsWith(LOCAL_KEY_PREFIX)).toBe(true);
    const { service } =
      profile === 'openai'
        ? openAI({ baseURL: `${emulator.url}/v1`, apiKey: emulator.key })
        : azureOpenAI({
            endpoint: emulator.url + (profile === 'azure' ? '' : '/openai/v1'),
            apiKey: emulator.key,
          });
    const url = `${service.dialect.lineUrlPrefix}/chat/completions`;
    const ids = Array.from({ length: LINES }, (_, i) => `j-${i}`);
    const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Say a word.' }] };
    const content = Buffer.from(
      ids
        .map((custom_id) => `${JSON.stringify({ custom_id, method: 'POST', url, body })}\n`)
        .join(''),
    );
    let file = await service.uploadFile({
      name: 'j.jsonl',
      bytes: content.length,
      async *open() {
        yield content;
      },
    });
    while (file.status !== 'processed') {
      await delay(5);
      file = await service.getFile(file.id);
    }
    expect((await collect(service.listFiles())).map(({ id }) => id)).toEqual([file.id]);
    const metadata = { job: 'j', shard: 'p0000-0' };
    const created = await service.createBatch({
      inputFileId: file.id,
      endpoint: '/chat/completions',
      metadata,
    });
    let batch = created.batch;
    while (!TERMINAL_STATUSES.has(batch.status)) {
      await delay(5);
      batch = (await collect(service.listBatches())).find(({ id }) => id === created.batch.id)!;
    }
    expect(batch).toMatchObject({
      status: 'completed',
      inputFileId: file.id,
      metadata,
      errors: [],
    });
    const answers = [];
    for (const id of [batch.outputFileId, batch.errorFileId]) {
      if (id === null) continue;
      const download = await service.downloadFile(id, 0);
      const text = Buffer.concat(await collect(download.body)).toString();
      answers.push(...text.split('\n').filter((line) => line !== ''));
    }
    expect(answers.map((line) => JSON.parse(line).custom_id).sort()).toEqual(ids.sort());
    expect((await service.cancelBatch(batch.id)).status).toBe('completed');
    await service.deleteFile(file.id);
    await service.deleteFile(file.id);
    expect(await collect(service.listFiles())).toEqual([]);
    await service.close();
  },
);
