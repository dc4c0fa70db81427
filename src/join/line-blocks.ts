import { errorCode } from '../core/errors.ts';
import { openPrivate } from '../streams/files.ts';
import { giveBuffer, takeBuffer } from '../streams/spare-buffers.ts';

const NEWLINE = 0x0a;
const BLOCK_BYTES = 256 * 1024; // 256 KiB

/** Room before each block for the line that the block before it left unfinished. */
const RESERVE_BYTES = 64 * 1024; // 64 KiB

/** Whole lines of a file: each ends with a newline, the last one of the file too. */
export interface LineBlock {
  readonly buffer: Buffer;
  readonly start: number;
  /** Offset after the last line's newline. */
  readonly end: number;
  /** Where `start` lies in the file. */
  readonly offset: number;
}

export interface LineBlockOptions {
  /** Bytes read at once; 256 KiB. A smaller file takes a smaller buffer. */
  readonly blockBytes?: number;
  /**
   * Whether buffers are used again: then a block is valid only until the second next one is asked for.
   * Default false.
   */
  readonly reuse?: boolean;
  /**
   * Resolves once nobody looks at the blocks given so far. With `reuse` it is asked for at the end,
   * before their memory goes to the next file. Default: the last one may go when the end is met.
   */
  readonly released?: () => Promise<void>;
  /**
   * Two buffers to read into, again and again, half of each for what the block before left unfinished:
   * then a block is valid only until the next one is asked for.
   */
  readonly buffers?: readonly Buffer[];
}

/**
 * Reads a file as blocks of whole lines, one block ahead of its consumer. Lines longer than a block
 * come alone in a buffer of their own. A last line without a newline gets one.
 */
export async function* lineBlocks(
  path: string,
  options: LineBlockOptions = {},
): AsyncGenerator<LineBlock, void, undefined> {
  const handle = await openPrivate(path, 'r');
  let ahead: Promise<number | Error> | null = null;
  const spare: Buffer[] = [];
  let held: Buffer | null = null;
  try {
    const { size } = await handle.stat();
    const { buffers, reuse = false } = options;
    const reserve = buffers === undefined ? RESERVE_BYTES : buffers[0]!.length / 2;
    const most = buffers === undefined ? (options.blockBytes ?? BLOCK_BYTES) : reserve;
    const blockBytes = Math.min(most, size + 1);
    if (buffers !== undefined) spare.push(...buffers);
    const take = () => spare.pop() ?? takeBuffer(reserve + blockBytes);
    const read = (into: Buffer, position: number) =>
      // The outcome is a value: a read ahead that fails while nobody waits must not crash the process.
      handle.read(into, reserve, blockBytes, position).then(
        (result) => result.bytesRead,
        (error: Error) => error,
      );

    let position = 0;
    let begun: Buffer[] = [];
    let begunBytes = 0;
    let next = take();
    ahead = read(next, position);
    for (;;) {
      const count = await ahead;
      ahead = null;
      if (count instanceof Error) throw count;
      if (count === 0) {
        spare.push(next);
        break;
      }
      const buffer = next;
      const base = position;
      position += count;
      next = take();
      ahead = read(next, position);

      const end = reserve + count;
      let start = reserve;
      const last = buffer.subarray(start, end).lastIndexOf(NEWLINE);
      if (last !== -1) {
        const afterLast = start + last + 1;
        if (begunBytes > reserve) {
          const afterFirst = buffer.indexOf(NEWLINE, start) + 1;
          const line = Buffer.concat([...begun, buffer.subarray(start, afterFirst)]);
          yield { buffer: line, start: 0, end: line.length, offset: base - begunBytes };
          start = afterFirst;
        } else {
          for (const part of begun.reverse()) start -= part.copy(buffer, start - part.length);
        }
        if (start < afterLast) {
          yield { buffer, start, end: afterLast, offset: base + start - reserve };
        }
        begun = [];
        begunBytes = 0;
        start = afterLast;
      }
      if (start < end) {
        begun.push(Buffer.from(buffer.subarray(start, end)));
        begunBytes += end - start;
      }
      if (buffers !== undefined) spare.push(buffer);
      else if (reuse) {
        if (held !== null) spare.push(held);
        held = buffer;
      }
    }
    if (begunBytes > 0) {
      const line = Buffer.concat([...begun, Buffer.of(NEWLINE)]);
      yield { buffer: line, start: 0, end: line.length, offset: position - begunBytes };
    }
  } finally {
    await ahead;
    await handle.close();
    await options.released?.();
    // Without `reuse` only the last one is in here, which nobody saw.
    if (held !== null) spare.push(held);
    if (options.buffers === undefined) for (const buffer of spare) giveBuffer(buffer);
  }
}

/** The same of a file that may not be there, which then has no lines. */
export async function* linesIfThere(
  path: string,
  options: LineBlockOptions = {},
): AsyncGenerator<LineBlock, void, undefined> {
  try {
    yield* lineBlocks(path, options);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** The single lines of a block, without their newlines: views into it. */
export function linesOf({
  buffer,
  start,
  end,
}: Pick<LineBlock, 'buffer' | 'start' | 'end'>): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = start; at < end; ) {
    const newline = buffer.indexOf(NEWLINE, at);
    if (newline > at) lines.push(buffer.subarray(at, newline));
    at = newline + 1;
  }
  return lines;
}
