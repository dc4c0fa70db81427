import { RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import { CountedRequest } from '../core/request.ts';
import type { TokenCounter } from '../core/tokens.ts';
import { type SpliceCounter, Splicer } from '../requests/splice/splicer.ts';
import type { SealItem } from '../shards/writer.ts';
import { RawRecord } from '../sources/raw/raw-record.ts';
import { resumePoint, type SourceBatch } from '../sources/read.ts';
import type { OpenRequest } from './request.ts';
import type { CountedBlocks } from './seal-partition.ts';

/** Counts whole requests, and texts that are bytes. */
export type JobCounter = TokenCounter & SpliceCounter;

/**
 * Builds and counts the requests of a source, block by block. Raw records go into the request's
 * template as they are where that gives the same; the counter is made when it is needed.
 */
export async function* countedBlocks(
  blocks: AsyncIterable<SourceBatch>,
  { builder, splice }: Pick<OpenRequest, 'builder' | 'splice'>,
  counterFor: (model: string) => Promise<JobCounter>,
): CountedBlocks {
  let counter: JobCounter | undefined;
  let splicer: Splicer | null = null;
  if (splice !== null) {
    counter = await counterFor(splice.model);
    splicer = new Splicer(splice, counter);
  }
  const spliced = (item: SourceItem<unknown>): SealItem | null => {
    if (splicer === null || !(item instanceof SourceRecord)) return null;
    return item.record instanceof RawRecord ? splicer.make(item.record, item.position) : null;
  };
  for await (const block of blocks) {
    let counted: { item: SealItem; nextByte: number | null }[] = [];
    for (let index = 0; index < block.items.length; index++) {
      const source = block.items[index]!;
      const nextByte = resumePoint(block, index)?.byte ?? null;
      let item = spliced(source);
      if (item === null) {
        const made = builder.build(parsed(source));
        const built = made instanceof Promise ? await made : made;
        if (built instanceof RejectedRecord) {
          item = built;
        } else {
          counter ??= await counterFor(built.body.model);
          item = new CountedRequest(built, counter.countRequest(built.endpoint, built.body));
        }
      }
      counted.push({ item, nextByte });
      if (!builder.heavy) continue;
      yield counted;
      counted = [];
    }
    yield counted;
  }
}

function parsed(item: SourceItem<unknown>): SourceItem<unknown> {
  if (!(item instanceof SourceRecord) || !(item.record instanceof RawRecord)) return item;
  return new SourceRecord(item.record.parse(), item.position);
}
