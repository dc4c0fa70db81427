import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StandardSchema } from '../../src/core/standard-schema.ts';
import { outputReader } from '../../src/join/structured-output.ts';
import { compileJsonSchema } from '../../src/requests/json-schema.ts';
import { failedLine, lines, plainRows, TestJob } from './helpers.ts';

const SCHEMA = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
const read = outputReader(compileJsonSchema(SCHEMA), null);

const chat = (message: object, finish_reason = 'stop') => ({
  choices: [{ finish_reason, message }],
});
const response = (content: readonly object[], more: object = {}) => ({
  output: [{ type: 'reasoning' }, { type: 'message', content }],
  ...more,
});
const part = (text: string) => ({ type: 'output_text', text });
const incomplete = (reason: string) => ({ incomplete_details: { reason } });

describe('the output of an answer', () => {
  test.each<[string, unknown, unknown]>([
    ['a chat', chat({ content: '{"n":1}' }), { n: 1 }],
    ['a chat cut behind its end', chat({ content: '{"n":1}' }, 'length'), { n: 1 }],
    ['a response in parts', response([part('{"n"'), part(':2}')]), { n: 2 }],
  ])('of %s', (_, body, value) => {
    expect(read(body)).toEqual({ kind: 'value', value });
  });

  test.each<[string, unknown]>([
    ['a chat', chat({ content: null, tool_calls: [{}] })],
    ['a response', { output: [{ type: 'function_call', name: 'f' }] }],
  ])('is none where %s calls a tool', (_, body) => {
    expect(read(body)).toEqual({ kind: 'none' });
  });

  test.each<[string, unknown, string]>([
    ['no JSON', chat({ content: 'Sure! {"n":1}' }), 'schema_mismatch'],
    ['another shape', chat({ content: '{"n":"1"}' }), 'schema_mismatch'],
    ['no text', chat({ content: null }), 'schema_mismatch'],
    ['no body', undefined, 'schema_mismatch'],
    ['a refusal', chat({ content: null, refusal: 'no' }), 'refusal'],
    ['a refusal in a response', response([{ type: 'refusal', refusal: 'no' }]), 'refusal'],
    ['a cut chat', chat({ content: '{"n"' }, 'length'), 'output_cut'],
    ['a chat cut at once', chat({ content: null }, 'length'), 'output_cut'],
    ['a cut response', response([part('{')], incomplete('max_output_tokens')), 'output_cut'],
    ['a filtered chat', chat({ content: '{"n"' }, 'content_filter'), 'content_filter'],
  ])('is unusable: %s', (_, body, code) => {
    expect(read(body)).toMatchObject({ kind: 'unusable', error: { code } });
  });

  test('of any body at all is one of the three', () => {
    const loose = outputReader(null, null);
    const content = fc.oneof(fc.json(), fc.jsonValue(), fc.array(fc.jsonValue()));
    const body = fc.oneof(
      fc.jsonValue(),
      fc.record({ choices: fc.array(fc.record({ message: fc.record({ content }) })) }),
      fc.record({ output: fc.array(fc.record({ type: fc.constant('message'), content })) }),
    );
    fc.assert(
      fc.property(body, (answer) => {
        expect(loose(answer)).toHaveProperty('kind');
      }),
    );
  });

  test('is checked by the schema object too, which may wait, and may fail', async () => {
    const odd: StandardSchema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (value) =>
          (value as { n: number }).n % 2 === 1
            ? { value: 'odd' }
            : { issues: [{ message: 'not odd', path: ['n', { key: 0 }] }] },
      },
    };
    const both = outputReader(compileJsonSchema(SCHEMA), odd);
    expect(await both(chat({ content: '{"n":1}' }))).toEqual({ kind: 'value', value: { n: 1 } });
    expect(await both(chat({ content: '{"n":2}' }))).toEqual({
      kind: 'unusable',
      error: { code: 'schema_mismatch', message: 'the answer does not fit: n.0 not odd' },
    });
    const broken = {
      '~standard': {
        ...odd['~standard'],
        validate: () => {
          throw new Error('secret');
        },
      },
    };
    expect(await outputReader(null, broken)(chat({ content: '{"n":1}' }))).toMatchObject({
      error: { message: 'the schema itself failed on the answer' },
    });
  });
});

describe('a join with a schema', () => {
  const line = (id: string, content: string) =>
    JSON.stringify({
      custom_id: id,
      response: { status_code: 200, request_id: 'r', body: chat({ content }) },
      error: null,
    });
  const answers = [line('job-0', '{"n": 5}'), line('job-1', 'no'), failedLine('job-2', 400)];

  test('adds the output to ok rows, and makes a row without one a failed one', async () => {
    using job = new TestJob();
    job.seal(plainRows(3));
    const output = job.output(lines(answers));
    const summary = await job.join({ output, error: null }, { readOutput: read });
    expect(summary).toMatchObject({ ok: 1, failed: 2, leftover: 0 });
    expect(summary.failedCodes).toMatchObject({ schema_mismatch: 1 });
    const [good, bad, refused] = job.rows();
    expect(good).toMatchObject({ status: 'ok', output: { n: 5 } });
    expect(Object.keys(good ?? {}).at(-1)).toBe('output');
    expect(bad).toMatchObject({
      status: 'failed',
      error: { code: 'schema_mismatch', message: 'the answer is not JSON' },
      response: { body: chat({ content: 'no' }) },
      attempts: [{ code: 'schema_mismatch' }],
    });
    expect(bad).not.toHaveProperty('output');
    expect(refused).not.toHaveProperty('output');
  });

  test('tries it again only when asked, and no more than the attempts allow', async () => {
    using job = new TestJob();
    job.seal(plainRows(3));
    const output = job.output(lines(answers));
    const again = { readOutput: read, retryMismatch: true };
    expect(await job.join({ output, error: null }, again)).toMatchObject({ ok: 1, leftover: 1 });
    const last = await job.join({ output, error: null }, { ...again, maxAttempts: 1 });
    expect(last).toMatchObject({ ok: 1, failed: 2, leftover: 0 });
  });
});
