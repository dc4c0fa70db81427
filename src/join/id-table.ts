/** Room for ids as we make them; longer ones make it grow. */
const FIRST_BYTES_PER_ID = 8;

/**
 * Numbers the distinct ids it is given from 0 on. An open-addressed table over the ids' bytes, which
 * it keeps: at the service's 100,000 ids a file it takes a few MiB, whoever made the ids.
 */
export class IdTable {
  /** Distinct ids so far. */
  size = 0;

  /** A slot holds an id's number plus one; 0 is free. */
  #slots: Int32Array;
  #hashes: Int32Array;
  /** Where each id ends in `#ids`; it starts where the one before it ends. */
  #ends: Float64Array;
  #ids: Buffer;

  /** `ids` is how many there is room for at first, a power of two. */
  constructor(ids: number) {
    this.#slots = new Int32Array(2 * ids);
    this.#hashes = new Int32Array(ids);
    this.#ends = new Float64Array(ids);
    this.#ids = Buffer.allocUnsafeSlow(FIRST_BYTES_PER_ID * ids);
  }

  /** The id's number; a new id gets the next one, which is then `size - 1`. */
  add(bytes: Buffer, start: number, end: number): number {
    const hash = hashOf(bytes, start, end);
    const slot = this.#slotOf(hash, bytes, start, end);
    const found = this.#slots[slot]! - 1;
    if (found !== -1) return found;
    const number = this.size++;
    this.#slots[slot] = number + 1;
    this.#hashes[number] = hash;
    this.#keep(number, bytes, start, end);
    if (number === this.#hashes.length - 1) this.#spread();
    return number;
  }

  /** The slot that holds the id, or the free one where it belongs. */
  #slotOf(hash: number, bytes: Buffer, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = this.#slots[slot]! - 1;
      if (number === -1) return slot;
      if (this.#hashes[number] === hash && this.#equals(number, bytes, start, end)) return slot;
    }
  }

  #equals(number: number, bytes: Buffer, start: number, end: number): boolean {
    const from = number === 0 ? 0 : this.#ends[number - 1]!;
    if (this.#ends[number]! - from !== end - start) return false;
    for (let at = start; at < end; at++) {
      if (this.#ids[from + at - start] !== bytes[at]) return false;
    }
    return true;
  }

  #keep(number: number, bytes: Buffer, start: number, end: number): void {
    const from = number === 0 ? 0 : this.#ends[number - 1]!;
    const needed = from + end - start;
    if (needed > this.#ids.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#ids.length * 2));
      this.#ids.copy(larger, 0, 0, from);
      this.#ids = larger;
    }
    bytes.copy(this.#ids, from, start, end);
    this.#ends[number] = needed;
  }

  /** Keeps the table at most half full. */
  #spread(): void {
    const hashes = new Int32Array(this.#hashes.length * 2);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const ends = new Float64Array(this.#ends.length * 2);
    ends.set(this.#ends);
    this.#ends = ends;
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let number = 0; number < this.size; number++) {
      let slot = this.#hashes[number]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = number + 1;
    }
    this.#slots = slots;
  }
}

/** FNV-1a, with its high bits mixed into the low ones that pick the slot. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return hash ^ (hash >>> 15);
}
