const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const MAGIC_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const RLE_BLOCK = 1;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

/**
 * Cuts the bytes of a `.zst` file where one frame ends and the next begins. Node's decompressor
 * drops what follows a frame in the same chunk without a word, and files of several frames are
 * common: parallel compressors and appended logs make them. Format: RFC 8878, section 3.1.
 */
export class ZstdFrames {
  /** The header that is being gathered, and how many bytes of it are there. */
  readonly #header = Buffer.alloc(MAGIC_BYTES + 4);
  #gathered = 0;
  #part: 'magic' | 'descriptor' | 'block' | 'size' | 'garbage' = 'magic';
  /** Bytes of the frame that are passed over before the next header. */
  #skip = 0;
  #checksum = false;
  #ending = false;

  /** Whether all frames that began have ended. */
  get whole(): boolean {
    return this.#part === 'magic' && this.#gathered === 0 && this.#skip === 0;
  }

  /** The chunk in pieces, none of which goes over the end of a frame. */
  cut(chunk: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let from = 0;
    let position = 0;
    while (position < chunk.length) {
      if (this.#part === 'garbage') break;
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, chunk.length - position);
        this.#skip -= passed;
        position += passed;
      } else {
        this.#header[this.#gathered++] = chunk[position++]!;
        if (this.#gathered === HEADER_BYTES[this.#part]) this.#read();
      }
      if (this.#skip === 0 && this.#ending) {
        this.#ending = false;
        pieces.push(chunk.subarray(from, position));
        from = position;
      }
    }
    if (from < chunk.length) pieces.push(chunk.subarray(from));
    return pieces;
  }

  #read(): void {
    this.#gathered = 0;
    const header = this.#header;
    if (this.#part === 'magic') {
      const magic = header.readUInt32LE(0);
      if (magic === FRAME_MAGIC) this.#part = 'descriptor';
      else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) this.#part = 'size';
      // The decompressor says what it thinks of it.
      else this.#part = 'garbage';
    } else if (this.#part === 'size') {
      this.#skip = header.readUInt32LE(0);
      this.#end();
    } else if (this.#part === 'descriptor') {
      const flags = header[0]!;
      const single = (flags & 0x20) !== 0;
      const contentSize = flags >> 6 === 0 && single ? 1 : CONTENT_SIZE_BYTES[flags >> 6]!;
      this.#checksum = (flags & 0x04) !== 0;
      this.#skip = (single ? 0 : 1) + DICTIONARY_ID_BYTES[flags & 3]! + contentSize;
      this.#part = 'block';
    } else {
      const block = header.readUIntLE(0, BLOCK_HEADER_BYTES);
      this.#skip = ((block >> 1) & 3) === RLE_BLOCK ? 1 : block >> 3;
      if ((block & 1) === 0) return;
      if (this.#checksum) this.#skip += CHECKSUM_BYTES;
      this.#end();
    }
  }

  #end(): void {
    this.#part = 'magic';
    this.#ending = true;
  }
}

const HEADER_BYTES = { magic: MAGIC_BYTES, descriptor: 1, block: BLOCK_HEADER_BYTES, size: 4 };
