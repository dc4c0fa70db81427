import { RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import type { RequestItem } from '../core/request.ts';
import { defineStage, type Stage } from '../streams/stage.ts';
import { builderOf } from './function-builder.ts';
import type { RequestOptions } from './options.ts';

/**
 * A stage that makes a request of each record. It takes what a parser yields, or plain records from
 * any iterable (their position is then `<records>` and their number). A record that cannot become
 * a request flows on as a RejectedRecord. Throws a UsageError at once for options that no record
 * could make valid.
 */
export function buildRequests<T>(
  options: RequestOptions<T>,
): Stage<T | SourceItem<T>, RequestItem<T>> {
  const builder = builderOf(options);
  return defineStage(async function* (source) {
    let row = 0;
    for await (const input of source) {
      row++;
      const built = builder.build(asItem(input, row));
      // The builder keeps the record as it is, so the item has the type of what came in.
      yield (built instanceof Promise ? await built : built) as RequestItem<T>;
    }
  });
}

function asItem(input: unknown, row: number): SourceItem<unknown> {
  if (input instanceof SourceRecord || input instanceof RejectedRecord) return input;
  return new SourceRecord(input, { source: '<records>', row, byte: -1 });
}
