import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Emulator, startEmulator } from '../../src/emulator/index.ts';
import { DIALECTS } from '../../src/service/dialects.ts';
import { millrace, ndjson, workplace } from './command.ts';

// OpenAI's own platform: `--service https://api.openai.com/v1` with OPENAI_API_KEY.

const KEY = 'sk-canary-openai';
let emulator: Emulator;

beforeAll(async () => {
  emulator = await startEmulator({
    profile: 'openai',
    key: KEY,
    speed: 500,
    enqueuedTokens: 2000,
    faults: {
      rules: [
        { on: 'batch', nth: 2, do: 'expire', share: 0.4 },
        { on: 'line', batch: 1, probability: 0.2, do: 'status', status: 500, into: 'output' },
      ],
    },
  });
});
afterAll(() => emulator.close());

const FAST = ['--poll-interval', '200ms', '--submit-grace', '3s', '--max-requests', '20'];
const REQUEST = [
  '--model',
  'gpt-4o-mini',
  '--prompt',
  'Label: {{text}}',
  '--param',
  'max_tokens=9',
];

test('runs a job whose batches expire and fail in its own ways, and prices it', async () => {
  const { source, job, out } = workplace(60);
  const env = { OPENAI_API_KEY: KEY };
  const service = ['--service', `${emulator.url}/v1`];
  const { code, stderr } = await millrace(
    ['run', source, '--job', job, '--out', out, ...REQUEST, ...FAST, ...service],
    { env },
  );
  expect(code, stderr).toBe(0);
  const rows = ndjson(out);
  expect(rows.map(({ ordinal, status }) => [ordinal, status])).toEqual(
    Array.from({ length: 60 }, (_, n) => [n, 'ok']),
  );
  const codes = rows.flatMap(({ attempts }) => (attempts as { code: string }[]).map((a) => a.code));
  expect(codes).toContain('batch_expired');
  expect(codes.some((one) => /server_error|500/.test(one))).toBe(true);
  const created = emulator.eventLog().filter(({ kind, from }) => kind === 'batch' && from === null);
  expect(new Set(created.map(({ detail }) => detail.deployment))).toEqual(new Set(['gpt-4o-mini']));
  const status = JSON.parse((await millrace(['status', '--job', job, '--json'])).stdout);
  expect(status).toMatchObject({
    targets: [
      {
        resource: `${emulator.url}/v1`,
        credential: 'the key in OPENAI_API_KEY',
        files: { ours: 0, others: 0, most: 10_000 },
      },
    ],
    cost: { currency: 'USD', output_basis: 'learnt' },
  });
  expect(JSON.stringify(status)).not.toContain('canary');
  const list = await millrace(['batches', 'list', ...service, '--status', 'expired'], { env });
  expect(list.stdout).toMatch(/batch_\w+ +expired/);
  // The emulator tells its users to export these two.
  const exported = { OPENAI_BASE_URL: `${emulator.url}/v1`, ...env };
  const files = await millrace(['files', 'list'], { env: exported });
  expect(files.stderr).toContain(`0 of 10000 input files at ${emulator.url}/v1`);
}, 90_000);

test('asks for the key by its name, and for no other sign-in', async () => {
  const service = ['--service', 'https://api.openai.com/v1'];
  const none = await millrace(['batches', 'list', ...service]);
  expect(none.stderr).toContain(
    'OPENAI_API_KEY is not set: it holds the key for https://api.openai.com',
  );
  const auth = await millrace(['batches', 'list', ...service, '--auth', 'cli']);
  expect(auth.stderr).toContain('--auth cli is for Azure; https://api.openai.com takes a key');
});

test('has the limits of the platform', () => {
  expect(DIALECTS.openai).toMatchObject({
    maxRequestsPerFile: 50_000,
    maxFileBytes: 200_000_000,
    enqueuedTokenFactor: 1,
    lineUrlPrefix: '/v1',
  });
});
