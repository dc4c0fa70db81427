import { stat } from 'node:fs/promises';
import { corruptShard } from '../shards/format.ts';
import { shardPaths } from '../shards/paths.ts';
import { AnswerKernel } from './answer-kernel.ts';
import { decodeString } from './json-bytes.ts';
import { lineBlocks } from './line-blocks.ts';
import type { OrdinalRange } from './ordinal-ids.ts';
import { NO_ENDS, NO_IDS } from './row-index.ts';
import { NO_LINE, ShardRow } from './shard-rows.ts';

const NEWLINE = 0x0a;

/** The custom_ids of a shard's rows, in its order. */
export interface ShardIds {
  readonly rows: number;
  /** What stands before each row's ordinal, or null: then the ids are given. */
  readonly prefix: string | null;
  /** Each id's text as it stands in JSON, and where it ends. */
  readonly ids: Buffer;
  readonly idEnds: Uint32Array;
  /** Where each row's request line ends, its newline included; null where ids follow from ordinals. */
  readonly requestEnds: Float64Array | null;
  /** The number of the row's id. Rows count from 0. */
  numberOf(row: number): number;
}

/** A kernel for the answers to a shard, which is to be ended, and the ids that it knows. */
export async function knownIds(
  directory: string,
  name: string,
  ordinals: OrdinalRange | undefined,
): Promise<{ kernel: AnswerKernel; ids: ShardIds }> {
  if (ordinals !== undefined) {
    const { prefix, rows } = ordinals;
    const ids = { rows, prefix, ids: NO_IDS, idEnds: NO_ENDS, requestEnds: null };
    return { kernel: new AnswerKernel(ordinals), ids: { ...ids, numberOf: (row) => row } };
  }
  const { requests } = shardPaths(directory, name);
  const kernel = new AnswerKernel({ requestBytes: (await stat(requests)).size });
  try {
    await readIds(requests, kernel);
  } catch (error) {
    kernel.end();
    throw error;
  }
  const ids = { rows: kernel.ids, prefix: null, requestEnds: kernel.requestEnds() };
  const numberOf = (row: number) => kernel.numberOf(row);
  return { kernel, ids: { ...ids, ...kernel.texts(), numberOf } };
}

/** Lists the ids as the requests have them. */
async function readIds(path: string, kernel: AnswerKernel): Promise<void> {
  for await (const { buffer, start, end, offset } of lineBlocks(path, { buffers: kernel.blocks })) {
    const place = offset - start;
    for (let at = start; at < end; ) {
      if (kernel.holds(buffer)) {
        if (kernel.addIds(buffer, at, end, place + at)) break;
        at = kernel.stoppedAt(buffer);
      }
      const newline = buffer.indexOf(NEWLINE, at);
      readId({ buffer, start: at, end: newline }, path, kernel, place + newline + 1);
      at = newline + 1;
    }
  }
  kernel.numberIds();
}

/** One that is not plain text. */
function readId(
  request: ShardRow['request'],
  path: string,
  kernel: AnswerKernel,
  lineEnd: number,
): void {
  const line = kernel.ids + 1;
  const row = new ShardRow(request, NO_LINE);
  if (!row.readRequest()) throw corruptShard(path, line, 'this is no request line');
  const { buffer } = request;
  const text = buffer.subarray(row.idStart, row.idEnd);
  const id = row.idEscaped
    ? Buffer.from(decoded(buffer, row.idStart, row.idEnd, path, line), 'utf8')
    : text;
  if (!kernel.addId(text, id, lineEnd)) {
    throw corruptShard(path, line, 'its custom_id is too long, or one too many');
  }
}

function decoded(bytes: Buffer, start: number, end: number, path: string, line: number): string {
  try {
    return decodeString(bytes, start, end);
  } catch {
    throw corruptShard(path, line, 'the custom_id is no JSON');
  }
}
