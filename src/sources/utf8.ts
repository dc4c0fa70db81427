import { isUtf8 } from 'node:buffer';
import { MillraceError } from '../core/errors.ts';

/** Checks bytes that come in pieces for valid UTF-8, sequences over an edge included. */
export class Utf8Check {
  readonly #source: string;
  /** Offset of the next chunk. */
  #offset: number;
  /** The unfinished sequence at the end of what was seen. */
  #open: Buffer = Buffer.alloc(0);

  constructor(source: string, offset = 0) {
    this.#source = source;
    this.#offset = offset;
  }

  /** Throws `invalid_encoding` with the offset of the first byte that is wrong. */
  push(chunk: Uint8Array): void {
    let head = 0;
    if (this.#open.length > 0) {
      while (head < chunk.length && isContinuation(chunk[head]!) && head < 3) head++;
      const joined = Buffer.concat([this.#open, chunk.subarray(0, head)]);
      const first = this.#offset - this.#open.length;
      if (head === chunk.length && openTail(joined) === joined.length) {
        this.#open = joined;
        this.#offset += head;
        return;
      }
      if (!isUtf8(joined)) throw this.#invalid(first);
      this.#open = Buffer.alloc(0);
    }
    const rest = head === 0 ? chunk : chunk.subarray(head);
    const open = openTail(rest);
    const whole = open === 0 ? rest : rest.subarray(0, rest.length - open);
    if (!isUtf8(whole)) throw this.#invalid(this.#offset + head + firstInvalid(whole));
    if (open > 0) this.#open = Buffer.from(rest.subarray(rest.length - open));
    this.#offset += chunk.length;
  }

  /** Throws when the input ended inside a character. */
  flush(): void {
    if (this.#open.length > 0) throw this.#invalid(this.#offset - this.#open.length);
  }

  #invalid(byte: number): MillraceError {
    return invalidEncoding(this.#source, 'UTF-8', byte);
  }
}

/** The error for bytes that the encoding does not have. */
export function invalidEncoding(source: string, encoding: string, byte: number): MillraceError {
  return new MillraceError(
    'invalid_encoding',
    `${source}: the bytes at offset ${byte} are not ${encoding}; name the encoding that the file has, for example --encoding windows-1252`,
  );
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

function sequenceLength(lead: number): number {
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
}

/** Bytes at the end that begin a sequence and do not finish it; 0 to 3. */
function openTail(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if (isContinuation(byte)) continue;
    return sequenceLength(byte) > back ? back : 0;
  }
  return 0;
}

/** Where the first wrong byte of an invalid piece is, by halving; sequences are at most 4 bytes. */
function firstInvalid(bytes: Uint8Array): number {
  let low = 0;
  let high = bytes.length;
  while (high - low > 8) {
    let middle = (low + high) >>> 1;
    while (middle > low && isContinuation(bytes[middle]!)) middle--;
    if (middle === low) break;
    if (isUtf8(bytes.subarray(low, middle))) low = middle;
    else high = middle;
  }
  for (let at = low; at < high; ) {
    const length = sequenceLength(bytes[at]!);
    if (!isUtf8(bytes.subarray(at, Math.min(at + length, bytes.length)))) return at;
    at += length;
  }
  return low;
}
