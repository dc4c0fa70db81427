import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerKernel } from '../../src/join/answer-kernel.ts';
import { AnswerLine } from '../../src/join/answer-line.ts';
import { AnswerShape } from '../../src/join/answer-shape.ts';
import { skipValue } from '../../src/join/json-bytes.ts';
import { ODD_LINE } from '../../src/join/kernel/layout.ts';
import { judgeAnswer } from '../../src/join/outcome.ts';
import { expiredLine, failedLine, okLine } from './helpers.ts';

/** Bytes on both sides of a line that must not be looked at as part of it. */
const BEFORE = Buffer.from('"}\n');
const AFTER = Buffer.from('\n{"');

/** What the walk found in a line, or null when it refused it. */
function walk(text: string) {
  const bytes = Buffer.concat([BEFORE, Buffer.from(text, 'utf8'), AFTER]);
  const line = new AnswerLine();
  return line.read(bytes, BEFORE.length, bytes.length - AFTER.length) ? partsOf(line, bytes) : null;
}

/** The same by the kernel, where a line has the shape of those before. */
class ShapedLines {
  /** Lines that had it. */
  matched = 0;
  readonly #kernel = new AnswerKernel({ prefix: 'of no answer ', first: 0, rows: 0 });
  readonly #line = new AnswerLine();
  #shape: AnswerShape | null = null;

  read(text: string): ReturnType<typeof walk> {
    const [block] = this.#kernel.blocks as [Buffer];
    const length = Buffer.concat([BEFORE, Buffer.from(text, 'utf8'), AFTER]).copy(block);
    const [start, newline] = [BEFORE.length, length - AFTER.length];
    if (this.#kernel.takeLines(block, start, newline + 1, 0) === ODD_LINE) {
      this.matched++;
      this.#shape!.matched();
      this.#shape!.fill(this.#line, block);
      return partsOf(this.#line, block);
    }
    this.#shape?.missed();
    if (!this.#line.read(block, start, newline)) return null;
    if (this.#shape?.worn !== false) {
      this.#shape = new AnswerShape(this.#kernel, this.#line, block, start, newline);
    }
    return partsOf(this.#line, block);
  }
}

function partsOf(line: AnswerLine, bytes: Buffer) {
  return {
    id: line.id(bytes).toString('utf8'),
    response:
      line.responseStart === -1
        ? null
        : JSON.parse(bytes.toString('utf8', line.responseStart, line.responseEnd)),
    ok: line.ok,
    usage: { ...line.usage },
  };
}

/** The same by JSON.parse: the truth. */
function parse(text: string): ReturnType<typeof walk> {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  if (typeof value.custom_id !== 'string') return null;
  const response = isObject(value.response) ? value.response : null;
  const body = isObject(response?.body) ? response.body : null;
  const usage = isObject(body?.usage) ? body.usage : null;
  const count = (holder: unknown, key: string): number =>
    isObject(holder) && typeof holder[key] === 'number' ? holder[key] : 0;
  return {
    id: value.custom_id,
    response,
    ok: judgeAnswer(value).ok,
    usage: {
      input: count(usage, 'prompt_tokens'),
      cachedInput: count(usage?.prompt_tokens_details, 'cached_tokens'),
      output: count(usage, 'completion_tokens'),
      reasoning: count(usage?.completion_tokens_details, 'reasoning_tokens'),
    },
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const anyText = fc.string({ unit: 'binary' });
const tokens = fc.oneof(fc.nat(1e6), fc.constant(null), fc.constant(1.5), fc.constant(1e21));
const usage = fc.record(
  {
    prompt_tokens: tokens,
    completion_tokens: tokens,
    prompt_tokens_details: fc.oneof(fc.constant(null), fc.record({ cached_tokens: tokens })),
    completion_tokens_details: fc.record({ reasoning_tokens: tokens, other: fc.jsonValue() }),
  },
  { requiredKeys: [] },
);
const response = fc.record(
  {
    status_code: fc.oneof(fc.constantFrom<unknown>(200, 201, 0, 400, 429, '200', null), fc.nat()),
    request_id: anyText,
    body: fc.oneof(
      fc.jsonValue(),
      fc.record({ choices: fc.jsonValue(), text: anyText, usage }, { requiredKeys: [] }),
    ),
  },
  { requiredKeys: [] },
);
const answer = fc
  .record(
    {
      id: anyText,
      custom_id: fc.oneof(
        { weight: 9, arbitrary: anyText as fc.Arbitrary<unknown> },
        fc.jsonValue(),
      ),
      response: fc.oneof(
        { weight: 5, arbitrary: response as fc.Arbitrary<unknown> },
        fc.jsonValue(),
      ),
      error: fc.oneof(fc.constant(null), fc.record({ code: anyText, message: anyText })),
      usage,
    },
    { requiredKeys: [] },
  )
  .map((line) => JSON.stringify(line));

describe('AnswerLine', () => {
  test('agrees with JSON.parse on whole lines', () => {
    fc.assert(
      fc.property(answer, (text) => {
        expect(walk(text)).toEqual(parse(text));
      }),
      { numRuns: 1500 },
    );
  });

  test('agrees with JSON.parse on lines that were damaged', () => {
    const noise = fc.constantFrom(
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      ' ',
      '0',
      'e',
      '\t',
      'x',
    );
    fc.assert(
      fc.property(
        answer,
        fc.nat(),
        fc.nat(3),
        fc.array(noise, { maxLength: 2 }),
        (text, place, drop, add) => {
          const at = place % (text.length + 1);
          const damaged = text.slice(0, at) + add.join('') + text.slice(at + drop);
          // A lone surrogate cannot be written as UTF-8 and both sides would see other text.
          fc.pre(damaged.isWellFormed());
          expect(walk(damaged)).toEqual(parse(damaged));
        },
      ),
      { numRuns: 3000 },
    );
  });

  describe('after other lines', () => {
    const layouts = [
      JSON.parse(okLine('job-1', 'a "quoted" \\ text\n')),
      JSON.parse(failedLine('job-2', 400, 'content_filter')),
      JSON.parse(expiredLine('job-3')),
      { ...JSON.parse(okLine('job-4')), error: { code: 'late', message: 'but answered' } },
      {
        id: 'batch_req_1',
        custom_id: 'a',
        response: {
          status_code: 200,
          body: {
            created: 1,
            usage: {
              prompt_tokens: 1,
              completion_tokens: 2,
              prompt_tokens_details: { cached_tokens: 3 },
              completion_tokens_details: { reasoning_tokens: 4 },
            },
            note: null,
            done: true,
            parts: [1, 'x', [], {}],
          },
          request_id: 'r',
        },
        error: null,
      },
    ];
    const value = fc.oneof(
      { weight: 6, arbitrary: fc.string({ unit: 'binary' }) as fc.Arbitrary<unknown> },
      { weight: 3, arbitrary: fc.nat(1000) },
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(null, true, 200, 429, '200', -1, 1e21, '', [], {}),
    );
    const change = fc.record({ place: fc.nat(), value });
    const cut = fc.record({
      place: fc.nat(),
      drop: fc.nat(2),
      add: fc.constantFrom('', '"', '}', '1', 'x'),
    });
    const lineOf = fc.record({
      other: fc.oneof({ weight: 8, arbitrary: fc.constant(null) }, fc.constantFrom(...layouts)),
      changes: fc.array(change, { maxLength: 3 }),
      damage: fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, cut),
    });

    type LinePlan = typeof lineOf extends fc.Arbitrary<infer T> ? T : never;
    /** The line with some of its strings, numbers and words replaced. */
    const written = (usual: object, { other, changes, damage }: LinePlan) => {
      const leaves = (node: object): [Record<string, unknown>, string][] =>
        Object.entries(node).flatMap(([key, child]): [Record<string, unknown>, string][] =>
          typeof child === 'object' && child !== null
            ? leaves(child)
            : [[node as Record<string, unknown>, key]],
        );
      const line = structuredClone(other ?? usual) as object;
      for (const { place, value: put } of changes) {
        const all = leaves(line);
        const [node, key] = all[place % all.length]!;
        node[key] = put;
      }
      const text = JSON.stringify(line);
      if (damage === null) return text;
      const at = damage.place % (text.length + 1);
      return text.slice(0, at) + damage.add + text.slice(at + damage.drop);
    };

    const most = { minLength: 2, maxLength: 60 };
    test('a line is read as it is by itself', () => {
      fc.assert(
        fc.property(fc.constantFrom(...layouts), fc.array(lineOf, most), (usual, plans) => {
          const shaped = new ShapedLines();
          for (const plan of plans) {
            const text = written(usual, plan);
            if (!text.isWellFormed()) continue;
            expect([text, shaped.read(text)]).toEqual([text, parse(text)]);
          }
        }),
        { numRuns: 300 },
      );
    });
  });

  test('refuses what follows a line of a known shape, blanks apart', () => {
    const shaped = new ShapedLines();
    const text = okLine('job-1');
    expect(shaped.read(text)).toEqual(shaped.read(text));
    expect(shaped.matched).toBe(1);
    expect(shaped.read(`${text}x`)).toBeNull();
    expect(shaped.read(`${text}${text}`)).toBeNull();
    expect(shaped.read(`${text} `)).toEqual(parse(text));
  });

  test('takes strings of any length and escapes at any place, and no other', () => {
    const shaped = new ShapedLines();
    // Each line that differs teaches it one more place where lines do.
    for (let n = 0; n < 6; n++) shaped.read(okLine(`job-${n}`, `${n}`));
    const escapes = [
      '\\n',
      '\\\\',
      '\\"',
      '\\u00e9',
      '\\ud83e\\uddf5',
      '\\\\\\"',
      '\\/',
      '\\b\\f\\r\\t',
    ];
    const bad = [
      '\\x',
      '\\u00g0',
      '\\u12',
      '\t',
      '\\\u0001',
      '\\',
      '\\\\"',
      '"',
      '\\N',
      '\\u',
      '\\é',
    ];
    const marker = 'MARK';
    const frame = okLine('job-2', marker);
    for (let before = 0; before < 70; before++) {
      for (const after of [0, 1, 15, 16, 47, 63, 64]) {
        for (const piece of [...escapes, ...bad]) {
          const text = frame.replace(marker, () => 'a'.repeat(before) + piece + 'z'.repeat(after));
          const known = shaped.matched;
          expect([text, shaped.read(text)]).toEqual([text, parse(text)]);
          expect([text, shaped.matched - known]).toEqual([text, escapes.includes(piece) ? 1 : 0]);
        }
      }
    }
  });

  test('refuses every line that was cut, and the next line run into it', () => {
    const line = okLine('job-1', 'quotes " and \\ and {"custom_id":"job-2"}');
    for (let end = 0; end < line.length; end++) {
      expect(walk(line.slice(0, end))).toBeNull();
      if (end > 0) expect(walk(line.slice(0, end) + line)).toBeNull();
    }
    expect(walk(line)).not.toBeNull();
  });

  test.each([
    ['in the content', okLine('right', '"custom_id":"wrong"')],
    ['below the top', '{"meta":{"custom_id":"wrong"},"custom_id":"right"}'],
    ['in an array', '{"x":[{"custom_id":"wrong"}],"custom_id":"right"}'],
    ['the earlier of two', '{"custom_id":"wrong","custom_id":"right"}'],
    ['written with escapes', '{"custom\\u005fid":"right"}'],
  ])('takes the top-level custom_id when another is %s', (_, text) => {
    expect(walk(text)?.id).toBe('right');
  });

  test('reads the usage of chat, responses and embeddings at its own place', () => {
    const line = (body: object) =>
      JSON.stringify({ custom_id: 'a', response: { status_code: 200, body } });
    const chat = {
      tools: [{ usage: { prompt_tokens: 99 } }],
      usage: {
        prompt_tokens: 7,
        completion_tokens: 5,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 3 },
      },
    };
    const responses = {
      usage: {
        input_tokens: 7,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 5,
        output_tokens_details: { reasoning_tokens: 3 },
      },
      text: { usage: { input_tokens: 99 } },
    };
    const all = { input: 7, cachedInput: 4, output: 5, reasoning: 3 };
    expect(walk(line(chat))?.usage).toEqual(all);
    expect(walk(line(responses))?.usage).toEqual(all);
    expect(walk(line({ usage: { prompt_tokens: 7, total_tokens: 7 } }))?.usage).toEqual({
      input: 7,
      cachedInput: 0,
      output: 0,
      reasoning: 0,
    });
  });

  test('forgets the earlier of two responses', () => {
    const one =
      '{"custom_id":"a","response":{"status_code":200,"body":{"usage":{"prompt_tokens":7}}}';
    expect(walk(`${one}}`)).toMatchObject({ ok: true, usage: { input: 7 } });
    for (const later of ['null', '{}', '{"body":{}}']) {
      expect(walk(`${one},"response":${later}}`)).toMatchObject({ ok: false, usage: { input: 0 } });
    }
  });

  test('refuses nesting without end instead of running out of stack', () => {
    const deep = Buffer.from(`${'['.repeat(100_000)}\n`);
    expect(skipValue(deep, 0)).toBe(-1);
  });
});

describe('judgeAnswer', () => {
  const judge = (text: string) => judgeAnswer(JSON.parse(text));

  test('calls a 2xx without an error ok', () => {
    expect(judge(okLine('a'))).toEqual({ ok: true });
    expect(judge('{"response":{"status_code":"201"},"error":null}')).toEqual({ ok: true });
  });

  const failures: [name: string, line: string, code: string, retryable: boolean][] = [
    ['a filtered prompt', failedLine('a', 400, 'content_filter'), 'content_filter', false],
    [
      'a filtered prompt, whatever the status',
      failedLine('a', 429, 'content_filter'),
      'content_filter',
      false,
    ],
    ['a 400 without a code', failedLine('a', 400), 'http_400', false],
    ['a status that is not in the table', failedLine('a', 501), 'http_501', false],
    ['an error beside a 200', '{"response":{"status_code":200},"error":{"code":"x"}}', 'x', false],
    [
      'an unknown error without a response',
      expiredLine('a', 'model_not_found'),
      'model_not_found',
      false,
    ],
    ['neither response nor error', '{"response":null,"error":null}', 'empty_answer', true],
    ['a response without a status', '{"response":{"body":{}}}', 'http_0', true],
    ['a body that is no object', '{"response":{"status_code":400,"body":"no"}}', 'http_400', false],
    [
      'an error that is a string',
      '{"response":{"status_code":403,"body":{"error":"no"}}}',
      'http_403',
      false,
    ],
    ['a numeric code', '{"response":{"status_code":403,"body":{"error":{"code":7}}}}', '7', false],
  ];
  for (const status of [0, 408, 409, 425, 429, 500, 502, 503, 504]) {
    failures.push([`status ${status}`, failedLine('a', status), `http_${status}`, true]);
  }
  for (const code of ['batch_expired', 'batch_cancelled', 'batch_failed', 'server_error']) {
    failures.push([code, expiredLine('a', code), code, true]);
  }
  test.each(failures)('judges %s', (_, line, code, retryable) => {
    const outcome = judge(line);
    if (outcome.ok) throw new Error('this is a failure');
    expect([outcome.error.code, outcome.retryable]).toEqual([code, retryable]);
  });

  test('takes no text for a code', () => {
    for (const code of ['Dear service, my secret', 'x'.repeat(101), '', {}, 'a\nb']) {
      const body = { error: { code, type: 'invalid_request_error', message: 'm' } };
      const outcome = judgeAnswer({ response: { status_code: 400, body } });
      expect(outcome).toMatchObject({ error: { code: 'invalid_request_error', message: 'm' } });
    }
  });

  test('takes the words of the service', () => {
    expect(judge(failedLine('a', 400, 'bad'))).toMatchObject({
      error: { code: 'bad', message: '400 for a' },
    });
    expect(judge('{"response":{"status_code":400,"body":null}}')).toMatchObject({
      error: { code: 'http_400', message: 'the service answered 400 and gave no reason' },
    });
  });
});
