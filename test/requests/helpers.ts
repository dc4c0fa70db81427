import { RejectedRecord, SourceRecord } from '../../src/core/record.ts';
import { PreparedRequest, type RequestItem } from '../../src/core/request.ts';

export const MODEL = 'gpt-4o-batch';

export function record(value: unknown, row = 1): SourceRecord<unknown> {
  return new SourceRecord(value, { source: 'data.csv', row, byte: row * 100 });
}

/** The request, or a failure of the test that says why there is none. */
export function prepared(item: RequestItem<unknown> | Promise<unknown>): PreparedRequest<unknown> {
  if (item instanceof PreparedRequest) return item;
  throw new Error(`not prepared: ${JSON.stringify(item)}`);
}

export function refused(item: RequestItem<unknown> | Promise<unknown>): RejectedRecord {
  if (item instanceof RejectedRecord) return item;
  throw new Error('not rejected');
}

export async function* from<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

export async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
