import { type Position, RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import { defineStage, type Stage, wiredWrongly } from './stage.ts';

/**
 * A stage that changes plain records; rejected ones pass through untouched. What `map` returns takes
 * the record's place, `undefined` drops it (it gets no ordinal), and a RejectedRecord rejects it. An
 * error that `map` throws ends the pipeline.
 */
export function mapRecords<T, U>(
  map: (record: T, position: Position) => U | RejectedRecord | undefined | Promise<U | undefined>,
): Stage<SourceItem<T>, SourceItem<U>> {
  return defineStage(async function* (source) {
    for await (const item of source) {
      if (item instanceof RejectedRecord) {
        yield item;
        continue;
      }
      if (!(item instanceof SourceRecord)) {
        throw wiredWrongly('mapRecords', 'what a parser or fromIterable() yields', item);
      }
      const mapped = await map(item.record, item.position);
      if (mapped === undefined) continue;
      yield mapped instanceof RejectedRecord ? mapped : new SourceRecord(mapped, item.position);
    }
  });
}
