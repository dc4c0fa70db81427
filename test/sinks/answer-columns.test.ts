import { describe, expect, test } from 'vitest';
import { answerValues } from '../../src/sinks/answer-columns.ts';
import { okRow } from './helpers.ts';

function valuesOf(body: unknown) {
  return answerValues({ ...okRow(0, {}), response: { status_code: 200, request_id: null, body } });
}

describe('answerValues', () => {
  test.each([
    ['text', { content: 'yes' }, 'yes'],
    ['empty text', { content: '' }, ''],
    [
      'parts',
      { content: [{ type: 'text', text: 'a' }, { type: 'image' }, { type: 'text', text: 'b' }] },
      'ab',
    ],
    ['tool calls', { content: null, tool_calls: [{ id: 'c' }] }, '[{"id":"c"}]'],
    ['a refusal', { content: null, refusal: 'no' }, 'no'],
    ['nothing', {}, null],
  ])('takes %s from a chat completion', (_, message, content) => {
    expect(valuesOf({ choices: [{ finish_reason: 'length', message }] })).toEqual([
      content,
      'length',
      'ok',
      null,
      null,
      null,
    ]);
  });

  test('takes the text of a response, reasoning left out', () => {
    const part = (text: string) => ({ type: 'output_text', text });
    const output = [
      { type: 'reasoning', summary: [] },
      { type: 'message', content: [part('a'), { type: 'refusal' }, part('b')] },
      { type: 'message', content: [part('c')] },
    ];
    const usage = { input_tokens: 4, output_tokens: 5 };
    expect(valuesOf({ status: 'completed', output, usage }).slice(0, 6)).toEqual([
      'abc',
      'completed',
      'ok',
      null,
      4,
      5,
    ]);
    const incomplete = {
      status: 'incomplete',
      incomplete_details: { reason: 'max_tokens' },
      output,
    };
    expect(valuesOf(incomplete)[1]).toBe('max_tokens');
  });

  test('takes the text of a completion of the older kind', () => {
    expect(valuesOf({ choices: [{ text: 'so', finish_reason: 'length' }] }).slice(0, 2)).toEqual([
      'so',
      'length',
    ]);
  });

  test('takes vectors as arrays', () => {
    expect(valuesOf({ data: [{ embedding: [1, 2.5] }] })[0]).toEqual([1, 2.5]);
    expect(valuesOf({ data: [{ embedding: 'AAAA' }, { embedding: 'BBBB' }] })[0]).toEqual([
      'AAAA',
      'BBBB',
    ]);
  });

  test.each([[null], ['text'], [[]], [{ choices: [] }], [{ output: [] }], [{ data: [] }]])(
    'finds no content in %j',
    (body) => {
      expect(valuesOf(body)[0]).toBeNull();
    },
  );
});
