import { MillraceError } from '../core/errors.ts';
import { endOfCustomId, NEWLINE } from './format.ts';

/**
 * Length in bytes of a request file of `bytes` and `requests` lines once `spliceHead` has put `to`
 * for `from`.
 */
export function splicedLength(bytes: number, requests: number, from: Buffer, to: Buffer): number {
  return bytes + requests * (to.length - from.length);
}

/**
 * Puts `to` in the place of `from` (both made by `lineHead`) in every line, as a request file
 * streams up. The head is matched where it must stand, right after the custom_id, so no text of a
 * record can be taken for it. Chunks may end anywhere. Throws `corrupt_shard` when a line has
 * another head, and then the upload fails before anything is accepted.
 */
export async function* spliceHead(
  source: AsyncIterable<Uint8Array>,
  from: Buffer,
  to: Buffer,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (from.equals(to)) {
    yield* source;
    return;
  }
  const splicer = new HeadSplicer(from, to);
  for await (const chunk of source) {
    const out = splicer.push(chunk);
    if (out.length > 0) yield out;
  }
  splicer.flush();
}

class HeadSplicer {
  readonly #from: Buffer;
  readonly #to: Buffer;
  /** The start of a line whose head is not whole yet. */
  #carry: Buffer = Buffer.alloc(0);
  /** Whether the head of the current line is behind us. */
  #copying = false;
  #line = 1;

  constructor(from: Buffer, to: Buffer) {
    this.#from = from;
    this.#to = to;
  }

  push(chunk: Uint8Array): Uint8Array {
    const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const block = this.#carry.length === 0 ? view : Buffer.concat([this.#carry, view]);
    this.#carry = Buffer.alloc(0);
    const parts: Buffer[] = [];
    let at = 0;
    while (at < block.length) {
      if (this.#copying) {
        const newline = block.indexOf(NEWLINE, at);
        const end = newline === -1 ? block.length : newline + 1;
        parts.push(block.subarray(at, end));
        at = end;
        if (newline === -1) break;
        this.#copying = false;
        this.#line++;
        continue;
      }
      const head = endOfCustomId(block, at);
      if (head === -2) throw this.#wrong();
      const end = head + this.#from.length;
      if (head === -1 || end > block.length) {
        this.#carry = Buffer.from(block.subarray(at));
        break;
      }
      if (this.#from.compare(block, head, end) !== 0) throw this.#wrong();
      parts.push(block.subarray(at, head), this.#to);
      at = end;
      this.#copying = true;
    }
    return Buffer.concat(parts);
  }

  flush(): void {
    if (this.#carry.length > 0) throw this.#wrong();
  }

  #wrong(): MillraceError {
    return new MillraceError(
      'corrupt_shard',
      `line ${this.#line} of the request file does not name the job's model where it was sealed; prepare the shard again`,
    );
  }
}
