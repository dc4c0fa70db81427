import { corruptShard } from '../shards/format.ts';
import { shardPaths } from '../shards/paths.ts';
import type { IdTable } from './id-table.ts';
import { decodeString } from './json-bytes.ts';
import type { OrdinalRange } from './ordinal-ids.ts';
import { RowBlock } from './row-block.ts';
import { NO_ENDS, NO_IDS } from './row-index.ts';
import { forRequests } from './shard-rows.ts';

const FIRST_ROWS = 128 * 1024;

/** The custom_ids of a shard's rows, in its order. */
export interface ShardIds {
  readonly rows: number;
  /** What stands before each row's ordinal, or null: then the ids are given. */
  readonly prefix: string | null;
  /** Each id's text as it stands in JSON, and where it ends. */
  readonly ids: Buffer;
  readonly idEnds: Uint32Array;
  /** The number of the row's id, or -1 for one that was never numbered. Rows count from 0. */
  numberOf(row: number): number;
}

/** The ids that follow from the ordinals; they are numbered as `OrdinalIds` does. */
export function idsOfOrdinals({ prefix, rows }: OrdinalRange): ShardIds {
  return { rows, prefix, ids: NO_IDS, idEnds: NO_ENDS, numberOf: (row) => row };
}

/** The ids as the requests have them, looked up in `table`. */
export async function readIds(directory: string, name: string, table: IdTable): Promise<ShardIds> {
  let numbers = new Int32Array(FIRST_ROWS);
  let ends = new Uint32Array(FIRST_ROWS);
  const text = new RowBlock();
  let rows = 0;
  const { requests: path } = shardPaths(directory, name);
  await forRequests(directory, name, ({ request, idStart, idEnd, idEscaped }) => {
    if (rows === numbers.length) {
      const [fewer, shorter] = [numbers, ends];
      numbers = new Int32Array(rows * 2);
      numbers.set(fewer);
      ends = new Uint32Array(rows * 2);
      ends.set(shorter);
    }
    text.bytes(request.buffer, idStart, idEnd);
    numbers[rows] = idEscaped
      ? numberOfText(table, decoded(request.buffer, idStart, idEnd, path, rows + 1))
      : table.find(request.buffer, idStart, idEnd);
    ends[rows++] = text.length;
  });
  return {
    rows,
    prefix: null,
    ids: text.buffer.subarray(0, text.length),
    idEnds: ends.subarray(0, rows),
    numberOf: (row) => numbers[row]!,
  };
}

function decoded(bytes: Buffer, start: number, end: number, path: string, line: number): string {
  try {
    return decodeString(bytes, start, end);
  } catch {
    throw corruptShard(path, line, 'the custom_id is no JSON');
  }
}

function numberOfText(table: IdTable, text: string): number {
  const id = Buffer.from(text, 'utf8');
  return table.find(id, 0, id.length);
}
