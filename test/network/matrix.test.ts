import { describe, expect, onTestFinished, test } from 'vitest';
import { startEmulator } from '../../src/emulator/index.ts';
import { azureOpenAI } from '../../src/service/index.ts';
import { BATCH, closedPort, FILE, faultServer, QUICK } from '../service/server.ts';
import { credentialAt, HEALTHY, RUN, type Subject, UPLOAD } from './calls.ts';
import { IN_HTTP, ON_THE_WIRE } from './faults.ts';
import { CALLS, type Call, HTTP, page, type Row, WIRE } from './matrix.ts';
import { type Observed, observe } from './observe.ts';
import { proxyTo } from './proxy.ts';

const KEY = 'canary-key';

/** Every cell of a row, and what it should be; a code only where something was thrown. */
async function check(row: Row, cell: (call: Call) => Promise<Observed>): Promise<void> {
  const observed = await Promise.all(CALLS.map(async (call) => [call, await cell(call)] as const));
  const cells = Object.fromEntries(observed.map(([call, { seen }]) => [call, seen]));
  expect(cells).toEqual(row.cells);
  const codes = observed.map(([, { code }]) => code).filter((code) => code !== null);
  for (const code of codes) expect([row.code, 'download_cut', 'auth_failed']).toContain(code);
}

describe('on the wire, before the emulator', () => {
  test('every fault has its row', () => {
    expect(new Set(WIRE.map(({ fault }) => fault))).toEqual(new Set(Object.keys(ON_THE_WIRE)));
  });

  test.each(WIRE)('$fault', async (row) => {
    const emulator = await startEmulator({
      key: KEY,
      switches: { pendingSeconds: [0, 0] },
    });
    onTestFinished(() => emulator.close());
    const authority = await faultServer(HEALTHY.token);
    onTestFinished(() => authority[Symbol.asyncDispose]());
    const direct = azureOpenAI({ endpoint: emulator.url, apiKey: KEY }).service;
    const subject = async (): Promise<Subject> => {
      const { id: file } = await direct.uploadFile(UPLOAD);
      while ((await direct.getFile(file)).status === 'pending');
      const asked = { inputFileId: file, endpoint: '/chat/completions', metadata: {} } as const;
      const { batch } = await direct.createBatch(asked);
      return { file, batch: batch.id };
    };
    await check(row, async (call) => {
      const about = await subject();
      const target = call === 'token' ? authority.origin : emulator.url;
      const toxic = ON_THE_WIRE[row.fault] ?? null;
      const spoilt =
        toxic?.end === undefined ? () => toxic : (n: number) => (n === 1 ? toxic : null);
      await using proxy = await proxyTo(Number(new URL(target).port), spoilt);
      const { service } = azureOpenAI({
        ...QUICK,
        ...(call === 'token'
          ? { endpoint: emulator.url, credential: credentialAt(proxy.origin, QUICK.timeoutMs) }
          : { endpoint: proxy.origin, apiKey: KEY }),
      });
      // A pool may open more than one connection for a call of several pages.
      const tries = () => (toxic?.end === undefined ? 1 : Math.min(2, proxy.connections()));
      const observed = await observe(call, () => RUN[call](service, about), tries);
      await service.close();
      return observed;
    });
    await direct.close();
  });
});

describe('in HTTP', () => {
  test('every fault has its row', () => {
    expect(new Set(HTTP.map(({ fault }) => fault))).toEqual(new Set(Object.keys(IN_HTTP)));
  });

  test.each(HTTP)('$fault', async (row) => {
    const fault = IN_HTTP[row.fault]!;
    const withToken = row.fault.endsWith('to a token');
    await check(row, async (call) => {
      await using server = await faultServer(fault, HEALTHY[call]);
      await using other = await faultServer(call === 'token' ? HEALTHY.batch : HEALTHY.token);
      const [service, authority] = call === 'token' ? [other, server] : [server, other];
      const proof =
        call === 'token' || withToken
          ? { credential: credentialAt(authority.origin, QUICK.timeoutMs) }
          : { apiKey: KEY };
      const client = azureOpenAI({ ...QUICK, ...proof, endpoint: service.origin }).service;
      const run = () => RUN[call](client, { file: FILE.id, batch: BATCH.id });
      const observed = await observe(call, run, server.count);
      await client.close();
      return observed;
    });
  });
});

test('nobody listens: nothing was sent', async () => {
  const endpoint = await closedPort();
  const client = azureOpenAI({ ...QUICK, endpoint, apiKey: KEY }).service;
  const authority = azureOpenAI({ ...QUICK, endpoint, credential: credentialAt(endpoint, 400) });
  for (const call of CALLS) {
    const service = call === 'token' ? authority.service : client;
    const run = () => RUN[call](service, { file: FILE.id, batch: BATCH.id });
    const code = call === 'token' ? 'auth_failed' : 'connect_failed';
    expect(await observe(call, run, () => 0)).toEqual({ seen: 'later', code });
  }
  await client.close();
  await authority.service.close();
});

test('the page shows the table', async () => {
  await expect(page()).toMatchFileSnapshot('../../docs/network-matrix.md');
});
