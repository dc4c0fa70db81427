import { RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import { abortable } from '../streams/stage.ts';
import type { SourceBatch } from './read.ts';

const BATCH_RECORDS = 64;
const nowhere = () => null;

/**
 * The records of any iterable or object-mode Readable as the items of a source called `<records>`.
 * Items that a parser made pass through as they are.
 */
export async function* fromIterable<T>(
  records: Iterable<T | SourceItem<T>> | AsyncIterable<T | SourceItem<T>>,
  options: { signal?: AbortSignal | undefined; source?: string } = {},
): AsyncGenerator<SourceItem<T>, void, undefined> {
  const source = options.source ?? '<records>';
  let row = 0;
  for await (const record of abortable(asAsync(records), options.signal)) {
    row++;
    if (record instanceof SourceRecord || record instanceof RejectedRecord) yield record;
    else yield new SourceRecord(record, { source, row, byte: -1 });
  }
}

/** The same in batches, as `readPartition` gives them; it cannot be jumped into. */
export async function* readIterable(
  records: Iterable<unknown> | AsyncIterable<unknown>,
  options: { signal?: AbortSignal | undefined; source?: string } = {},
): AsyncGenerator<SourceBatch, void, undefined> {
  let items: SourceItem<unknown>[] = [];
  for await (const item of fromIterable<unknown>(records, options)) {
    items.push(item as SourceItem<unknown>);
    if (items.length < BATCH_RECORDS) continue;
    yield { items, next: nowhere };
    items = [];
  }
  if (items.length > 0) yield { items, next: nowhere };
}

async function* asAsync<T>(
  records: Iterable<T> | AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  yield* records;
}
