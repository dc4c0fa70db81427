import { RejectedRecord } from '../core/record.ts';
import { CountedRequest, type RequestItem } from '../core/request.ts';
import type { TokenCounter } from '../core/tokens.ts';
import { resumePoint, type SourceBatch } from '../sources/read.ts';
import type { OpenRequest } from './request.ts';
import type { CountedBlocks } from './seal-partition.ts';

/** Builds and counts the requests of a source, block by block. The counter is made when needed. */
export async function* countedBlocks(
  blocks: AsyncIterable<SourceBatch>,
  { builder }: OpenRequest,
  counterFor: (model: string) => Promise<TokenCounter>,
): CountedBlocks {
  let counter: TokenCounter | undefined;
  const count = (built: RequestItem<unknown>) => {
    if (built instanceof RejectedRecord || counter === undefined) return built as RejectedRecord;
    return new CountedRequest(built, counter.countRequest(built.endpoint, built.body));
  };
  for await (const block of blocks) {
    const counted = [];
    for (const [index, item] of block.items.entries()) {
      const made = builder.build(item);
      const built = made instanceof Promise ? await made : made;
      if (counter === undefined && !(built instanceof RejectedRecord)) {
        counter = await counterFor(built.body.model);
      }
      counted.push({ item: count(built), nextByte: resumePoint(block, index)?.byte ?? null });
    }
    yield counted;
  }
}
