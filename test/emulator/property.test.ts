import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type FaultRule, type Profile, startEmulator } from '../../src/emulator/index.ts';
import { callerOf, chatLine, pause } from './help.ts';

const share = fc.double({ min: 0, max: 1, noNaN: true });
const probability = fc.constantFrom(0.05, 0.3, 1);

const lineRule = fc.oneof(
  fc.record({
    on: fc.constant('line' as const),
    do: fc.constant('status' as const),
    status: fc.constantFrom(0, 400, 429, 500, 503),
    into: fc.constantFrom('output' as const, 'error' as const),
    probability,
  }),
  ...(['content-filter', 'missing', 'duplicate', 'unknown-id', 'raw-separators'] as const).map(
    (name) => fc.record({ on: fc.constant('line' as const), do: fc.constant(name), probability }),
  ),
);
const batchRule = fc.oneof(
  ...(['expire', 'cancel', 'stall'] as const).map((name) =>
    fc.record({ on: fc.constant('batch' as const), do: fc.constant(name), share, probability }),
  ),
  fc.record({
    on: fc.constant('batch' as const),
    do: fc.constant('fail' as const),
    code: fc.constant('input_modified'),
    share,
    probability,
  }),
  fc.record({
    on: fc.constant('batch' as const),
    do: fc.constant('token-limit' as const),
    how: fc.constantFrom('refuse' as const, 'fail' as const),
    probability,
  }),
);
const callRule = fc.oneof(
  fc.record({
    on: fc.constantFrom('batches.create' as const, 'files.content' as const),
    do: fc.constantFrom('cut-after' as const, 'cut-before' as const, 'bad-json' as const),
    count: fc.constant(1),
  }),
  fc.record({
    on: fc.constantFrom('batches.create' as const, 'batches.get' as const),
    do: fc.constant('answer' as const),
    status: fc.constantFrom(429, 500),
    count: fc.constant(2),
  }),
);

const scenario = fc.record({
  profile: fc.constantFrom<Profile>('azure', 'azure-rest', 'azure-v1', 'openai'),
  seed: fc.nat(),
  rules: fc.array(fc.oneof(lineRule, batchRule, callRule), { maxLength: 5 }),
  batches: fc.array(fc.record({ lines: fc.integer({ min: 1, max: 40 }), cancel: fc.boolean() }), {
    minLength: 1,
    maxLength: 3,
  }),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

/** Every end halfway, whatever is drawn: what is answered and what is not must not overlap. */
const ENDS: Scenario['rules'] = [
  { on: 'batch', do: 'expire', share: 0.5, probability: 1 },
  { on: 'batch', do: 'cancel', share: 0.5, probability: 1 },
  { on: 'batch', do: 'stall', share: 0.5, probability: 1 },
  { on: 'batch', do: 'fail', code: 'input_modified', share: 0.5, probability: 1 },
];
const HALFWAY = (['azure', 'openai'] as const).flatMap((profile) =>
  ENDS.map((end): [Scenario] => [
    { profile, seed: 1, rules: [end], batches: [{ lines: 10, cancel: false }] },
  ]),
);

test('whatever goes wrong, no line too many, no id twice unasked, and no token kept', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ profile, seed, rules, batches }) => {
      await using emulator = await startEmulator({
        profile,
        seed,
        speed: 100_000,
        enqueuedTokens: 100_000,
        faults: { rules: rules as FaultRule[] },
      });
      const caller = callerOf(`${emulator.url}/openai`, emulator.key);
      const invented = rules.some(({ do: action }) => action === 'unknown-id');
      const doubled = rules.some(({ do: action }) => action === 'duplicate');
      for (const { lines, cancel } of batches) {
        const asked = Array.from({ length: lines }, (_none, index) => `r${index}`);
        // A call that a fault spoils is no matter here: what was made is in the event log.
        const id = await caller
          .submit(asked.map((one) => chatLine(one, 'Hello')).join('\n'))
          .catch(() => undefined);
        if (cancel && id !== undefined) {
          await pause(seed % 7);
          await caller.call('POST', `/batches/${id}/cancel`).catch(() => undefined);
        }
      }
      await emulator.setFaults({ rules: rules.filter(({ on }) => on === 'line') as FaultRule[] });
      const { data, value } = (await caller.call('GET', '/batches?limit=100')).json;
      for (const { id } of (data ?? value) as { id: string }[]) {
        const stalled = rules.some(({ do: action }) => action === 'stall');
        if (stalled) await caller.call('POST', `/batches/${id}/cancel`);
        const batch = await caller.reach(id, 'completed', 'failed', 'expired', 'cancelled');
        const ids: unknown[] = [];
        for (const file of [batch.output_file_id, batch.error_file_id]) {
          if (typeof file !== 'string' || file === '') continue;
          for (const line of await caller.lines(file)) ids.push(line.custom_id);
        }
        const count = (batch.request_counts as { total: number | null }).total ?? 0;
        if (!invented) for (const one of ids) expect(String(one)).toMatch(/^r\d+$/);
        if (!doubled) expect(new Set(ids).size).toBe(ids.length);
        if (!doubled && !invented) expect(ids.length).toBeLessThanOrEqual(count);
        const kept = !rules.some(({ do: action }) => action === 'missing');
        if (batch.status === 'completed' && kept)
          expect(new Set(ids).size).toBeGreaterThanOrEqual(count);
        expect(JSON.stringify(batch.errors)).not.toContain('internal_error');
      }
      // All is terminal, so a batch of nearly the whole quota is admitted.
      await emulator.setFaults({});
      emulator.setEnqueuedTokens(60);
      const last = await caller.submit(chatLine('last', 'Hello'));
      const { status } = await caller.reach(last, 'completed', 'failed');
      expect(status).toMatch(/completed/i);
    }),
    { numRuns: 25, examples: HALFWAY },
  );
}, 120_000);
