import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Profile, startEmulator } from '../../src/emulator/index.ts';
import { png } from '../requests/images.ts';
import { millrace, ndjson, workplace } from './command.ts';

// Each kind of request at a service as it is, over its own addresses, keys and shapes.

const SCHEMA = {
  type: 'object',
  properties: { label: { type: 'string' } },
  required: ['label'],
  additionalProperties: false,
};

async function at(profile: Profile, path: string, ...flags: string[]) {
  const emulator = await startEmulator({ profile, speed: 5000 });
  onTestFinished(() => emulator.close());
  const { folder, source, job, out } = workplace(3);
  writeFileSync(join(folder, 'schema.json'), JSON.stringify(SCHEMA));
  writeFileSync(join(folder, '1'), png(8, 8));
  const done = await millrace(
    [
      ...['run', source, '--job', job, '--out', out, '--service', `${emulator.url}${path}`],
      ...['--prompt', 'Label: {{text}}', '--poll-interval', '50ms', '--model', 'gpt-4o'],
      ...flags.map((flag) => flag.replace('FOLDER', folder)),
    ],
    { env: { OPENAI_API_KEY: emulator.key, AZURE_OPENAI_API_KEY: emulator.key } },
  );
  return { ...done, rows: ndjson(out) };
}

test.each<[Profile, string, string[], string]>([
  ['openai', '/v1', ['--schema', 'FOLDER/schema.json'], 'chat.completion'],
  ['openai', '/v1', ['--endpoint', '/responses'], 'response'],
  ['openai', '/v1', ['--endpoint', '/embeddings', '--param', 'dimensions=4'], 'list'],
  ['openai', '/v1', ['--endpoint', '/completions'], 'text_completion'],
  [
    'azure-v1',
    '/openai/v1',
    ['--endpoint', '/responses', '--schema', 'FOLDER/schema.json'],
    'response',
  ],
  ['azure-v1', '/openai/v1', ['--endpoint', '/embeddings'], 'list'],
])('%s%s %j', async (profile, path, flags, object) => {
  const { code, stderr, rows } = await at(profile, path, ...flags);
  expect(stderr).toContain('3: 3 ok');
  expect(code).toBe(0);
  for (const row of rows) {
    expect(row).toMatchObject({ response: { body: { object } } });
    expect('output' in row).toBe(flags.includes('--schema'));
  }
});

test('images of which two are not there, on azure', async () => {
  const { code, stderr } = await at('azure', '', '--image-field', 'id', '--param', 'max_tokens=9');
  expect(stderr).toContain('3: 1 ok, 0 failed, 2 rejected');
  expect(code).toBe(2);
});

test('embeddings on azure, which takes none, fail with its own reason', async () => {
  const { code, rows } = await at('azure', '', '--endpoint', '/embeddings');
  expect(code).toBe(2);
  for (const row of rows) {
    expect(row).toMatchObject({ status: 'failed', error: { code: 'url_mismatch' } });
  }
});
