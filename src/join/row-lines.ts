import type { RowAttempt } from '../core/result.ts';
import type { RowBlock } from './row-block.ts';
import type { ShardRow } from './shard-rows.ts';

// How the lines of results are put together from bytes: {"ordinal":N,"custom_id":ID,"status":S,
// "record":R,"response":A,"error":E,"attempts":[...]}

export const OK_AND_RECORD = Buffer.from('","status":"ok","record":');
export const FAILED_AND_RECORD = Buffer.from('","status":"failed","record":');
const CUSTOM_ID_KEY = Buffer.from(',"custom_id":"');
const RESPONSE_KEY = Buffer.from(',"response":');

/** Adds a row up to its record, whose line `row` stands on; the id is its text as JSON. */
export function startRow(
  block: RowBlock,
  row: ShardRow,
  id: Buffer,
  idStart: number,
  idEnd: number,
  statusAndKey: Buffer,
): void {
  const { buffer, start } = row.recordLine;
  block.bytes(buffer, start, row.ordinalEnd);
  block.bytes(CUSTOM_ID_KEY);
  block.bytes(id, idStart, idEnd);
  block.bytes(statusAndKey);
  block.bytes(buffer, row.recordStart, row.recordEnd);
}

/** Makes room for a response of `length` bytes, which has to be put behind the block's bytes. */
export function startResponse(block: RowBlock, length: number): void {
  block.bytes(RESPONSE_KEY);
  block.reserve(length);
}

/** How the line of an ok row ends; `output` is JSON. */
export function okEnd(attempts: readonly RowAttempt[], output: string | null = null): string {
  const last = output === null ? '' : `,"output":${output}`;
  return `,"error":null,"attempts":${JSON.stringify(attempts)}${last}}\n`;
}
