import { expect, it } from 'vitest';
import { RejectedRecord } from '../../src/core/record.ts';
import { CountedRequest, PreparedRequest, type RequestItem } from '../../src/core/request.ts';
import { countTokens } from '../../src/tokens/count-tokens.ts';
import { createTokenCounter } from '../../src/tokens/counter.ts';

const position = { source: '<records>', row: 1, byte: -1 };
const rejected = new RejectedRecord(null, position, { code: 'x', message: 'y' });
const request = new PreparedRequest({ id: 7 }, position, 'seven', '/chat/completions', {
  model: 'd',
  messages: [{ role: 'user', content: 'hello' }],
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function* items(): AsyncGenerator<RequestItem<{ id: number }>> {
  yield rejected;
  yield request;
}

it('puts its tokens on a request and passes rejected records, with a model or a counter', async () => {
  for (const how of [{ model: 'gpt-4o' }, await createTokenCounter('gpt-4o')]) {
    const out = await collect(countTokens<{ id: number }>(how)(items()));
    expect(out[0]).toBe(rejected);
    expect(out[1]).toBeInstanceOf(CountedRequest);
    expect(out[1]).toMatchObject({ ...request, tokens: 8 });
  }
});

it('stops with the reason of its signal', async () => {
  const reason = new Error('enough');
  const stage = countTokens<{ id: number }>({ model: 'gpt-4o' });
  const out = stage(items(), { signal: AbortSignal.abort(reason) });
  await expect(collect(out)).rejects.toBe(reason);
});
