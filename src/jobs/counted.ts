import { RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import { CountedRequest, type PreparedRequest, type RequestItem } from '../core/request.ts';
import type { TokenCounter } from '../core/tokens.ts';
import type { SpliceCounter } from '../requests/splice/splicer.ts';
import { Splicers } from '../requests/splice/splicers.ts';
import { RawRecord } from '../sources/raw/raw-record.ts';
import { resumable, type SourceBatch } from '../sources/read.ts';
import type { OpenRequest } from './request.ts';
import type { CountedBlocks, CountedEntry } from './seal-partition.ts';

/** Counts whole requests, and texts that are bytes. */
export type JobCounter = TokenCounter & SpliceCounter;

/** A request that has to be waited for, or for whose counter has to be waited. */
interface Late {
  readonly made: RequestItem<unknown> | Promise<RequestItem<unknown>>;
  readonly nextByte: number | null;
}

/**
 * Builds and counts the requests of a source, block by block, each when it is taken. Raw records go
 * into the request's template as they are where that gives the same; the counter is made when it is
 * needed.
 */
export async function* countedBlocks(
  blocks: AsyncIterable<SourceBatch>,
  { builder, splice }: Pick<OpenRequest, 'builder' | 'splice'>,
  counterFor: (model: string) => Promise<JobCounter>,
): CountedBlocks {
  let counter: JobCounter | undefined;
  if (splice !== null && splice.model !== null) counter = await counterFor(splice.model);
  const splicers = splice === null ? null : new Splicers(splice);
  let late: Late | null = null;
  /** Goes on until something has to be waited for, which is `late` then. */
  function* ready(items: ReturnType<typeof resumable>): Generator<CountedEntry> {
    for (let taken = items.next(); taken.done !== true; taken = items.next()) {
      const { item, next } = taken.value;
      const nextByte = next?.byte ?? null;
      const spliced =
        isRaw(item) && splicers !== null && counter !== undefined
          ? splicers.make(item.record, item.position, counter)
          : null;
      if (spliced !== null) {
        yield { item: spliced, nextByte };
        continue;
      }
      const made = builder.build(parsed(item));
      if (made instanceof RejectedRecord) {
        yield { item: made, nextByte };
      } else if (made instanceof Promise || counter === undefined) {
        late = { made, nextByte };
        return;
      } else {
        yield { item: counted(made, counter), nextByte };
      }
    }
  }
  const arrived = async ({ made, nextByte }: Late): Promise<CountedEntry> => {
    const built = await made;
    if (built instanceof RejectedRecord) return { item: built, nextByte };
    counter ??= await counterFor(built.body.model);
    return { item: counted(built, counter), nextByte };
  };
  try {
    for await (const block of blocks) {
      const items = resumable(block);
      do {
        late = null;
        yield ready(items);
        if (late !== null) yield [await arrived(late)];
      } while (late !== null);
    }
  } finally {
    splicers?.close();
  }
}

function isRaw(item: SourceItem<unknown>): item is SourceRecord<RawRecord> {
  return item instanceof SourceRecord && item.record instanceof RawRecord;
}

function counted(built: PreparedRequest<unknown>, counter: JobCounter): CountedRequest<unknown> {
  return new CountedRequest(built, counter.countRequest(built.endpoint, built.body));
}

function parsed(item: SourceItem<unknown>): SourceItem<unknown> {
  if (!isRaw(item)) return item;
  return new SourceRecord(item.record.parse(), item.position);
}
