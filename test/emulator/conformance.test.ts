import { afterAll, beforeAll, describe } from 'vitest';
import { type Emulator, type Profile, startEmulator } from '../../src/emulator/index.ts';
import { conformance } from './conformance.ts';

const VERSIONED = '?api-version=2024-10-21';

const SURFACES: readonly (readonly [Profile, path: string, query: string, endpoint: string])[] = [
  ['azure', '/openai', VERSIONED, '/chat/completions'],
  ['azure', '/openai/deployments/gpt-4o-batch', VERSIONED, '/chat/completions'],
  ['azure-rest', '/openai', VERSIONED, '/chat/completions'],
  ['azure-v1', '/openai/v1', '', '/v1/chat/completions'],
  ['openai', '/v1', '', '/v1/chat/completions'],
];

describe.each(SURFACES)('%s under %s', (profile, path, query, endpoint) => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({ profile, speed: 50_000 });
  });
  afterAll(() => emulator.close());
  conformance(async () => ({
    base: `${emulator.url}${path}`,
    key: emulator.key,
    query,
    deployment: 'gpt-4o-batch',
    endpoint,
    pollMs: 3,
  }));
});

// The same questions to a real resource, when the environment names one. It costs a few cents.
const { MILLRACE_LIVE_BASE, MILLRACE_LIVE_KEY, MILLRACE_LIVE_DEPLOYMENT, MILLRACE_LIVE_QUERY } =
  process.env;

describe.skipIf(MILLRACE_LIVE_BASE === undefined)('a real resource', () => {
  conformance(async () => ({
    base: MILLRACE_LIVE_BASE ?? '',
    key: MILLRACE_LIVE_KEY ?? '',
    query: MILLRACE_LIVE_QUERY ?? '',
    deployment: MILLRACE_LIVE_DEPLOYMENT ?? '',
    endpoint: MILLRACE_LIVE_BASE?.endsWith('/v1') ? '/v1/chat/completions' : '/chat/completions',
    pollMs: 60 * 1000,
  }));
});
