const QUOTE = 34;
const LF = 10;
const CR = 13;
const AT_FIELD = 0;
const IN_PLAIN = 1;
const IN_QUOTED = 2;
/** Below this many bytes a loop beats a call of `indexOf`. */
const SHORT_BYTES = 24;
/** Fields of one record whose offsets are kept; the rest are only counted. */
export const MAX_FIELDS = 65_536;

/** As it stands between its delimiters. */
export const PLAIN = 0;
/** Was quoted and holds doubled quotes. */
export const DOUBLED = 1;
/** Was quoted and goes on behind its closing quote; the offsets include the opening quote. */
export const MIXED = 2;

/**
 * `lf`: records end at LF or CRLF, and a CR anywhere else is data. `cr`: they end at CR or LF, for
 * files that have no LF.
 */
export type Newline = 'lf' | 'cr';

/**
 * Finds the records and fields of CSV in bytes that may come piece by piece; makes no strings. A
 * field is quoted when its first byte is a quote; a quote elsewhere is data, and so is what follows
 * a closing quote up to the delimiter. Empty lines are not records.
 *
 * Use: `load` the bytes, call `next` until it returns false, read `recordStart` for how much can be
 * let go, load again what is left with more behind it.
 */
export class CsvScanner {
  /** Triples of start, end and kind (PLAIN, DOUBLED, MIXED) of the record's fields. */
  fields = new Int32Array(3 * 64);
  /** Fields of the record; may exceed MAX_FIELDS. */
  count = 0;
  /** Where the record starts, and once `next` gave true, where it ends without its line end. */
  recordStart = 0;
  recordEnd = 0;
  /** Where the next record may start. */
  position = 0;
  /** Whether the record was ended by the end of the input with a quote still open. */
  unterminated = false;
  /** Where the quote of the field was opened, when `unterminated`. */
  quoteAt = 0;

  readonly #delimiter: number;
  readonly #cr: boolean;
  #data: Buffer = Buffer.alloc(0);
  #state = AT_FIELD;
  #start = 0;
  #kind = PLAIN;
  #inRecord = false;

  constructor(delimiter: number, newline: Newline) {
    this.#delimiter = delimiter;
    this.#cr = newline === 'cr';
  }

  /** Whether a record has begun and not ended. */
  get inRecord(): boolean {
    return this.#inRecord;
  }

  /**
   * Goes on in `data`, which is what was loaded before without its first `dropped` bytes, and more
   * behind it.
   */
  load(data: Buffer, dropped: number): void {
    this.#data = data;
    if (dropped === 0) return;
    this.position -= dropped;
    this.recordStart -= dropped;
    this.#start -= dropped;
    this.quoteAt -= dropped;
    if (!this.#inRecord) return;
    const kept = Math.min(this.count, MAX_FIELDS) * 3;
    for (let i = 0; i < kept; i += 3) {
      this.fields[i]! -= dropped;
      this.fields[i + 1]! -= dropped;
    }
  }

  /** Forgets the fields of the record under way: it is too large to be kept. */
  forget(): void {
    this.count = 0;
    this.#start = this.position;
    this.recordStart = this.position;
  }

  /** Goes to the end of the next record; false when the bytes end before it does. */
  next(final: boolean): boolean {
    const data = this.#data;
    const end = data.length;
    let position = this.position;
    if (!this.#inRecord) {
      position = this.#skipEmptyLines(position, final);
      this.position = position;
      this.recordStart = position;
      if (position >= end || (data[position] === CR && !final && position + 1 === end)) {
        return false;
      }
      this.#inRecord = true;
      this.#state = AT_FIELD;
      this.count = 0;
    }
    const delimiter = this.#delimiter;
    const cr = this.#cr;
    const other = cr ? CR : LF;
    const highest = Math.max(delimiter, CR);
    let state = this.#state;
    for (;;) {
      if (state === AT_FIELD) {
        if (position >= end) {
          if (!final) break;
          this.#field(position, position, PLAIN);
          return this.#done(end, end);
        }
        if (data[position] === QUOTE) {
          this.quoteAt = position;
          this.#start = ++position;
          this.#kind = PLAIN;
          state = IN_QUOTED;
        } else {
          this.#start = position;
          this.#kind = PLAIN;
          state = IN_PLAIN;
        }
      }
      if (state === IN_QUOTED) {
        const near = Math.min(position + SHORT_BYTES, end);
        while (position < near && data[position] !== QUOTE) position++;
        if (position === near) {
          position = near < end ? data.indexOf(QUOTE, near) : -1;
          if (position < 0) {
            position = end;
            if (!final) break;
            this.unterminated = true;
            this.#field(this.#start, end, this.#kind);
            return this.#done(end, end);
          }
        }
        if (position + 1 >= end && !final) break;
        const after = position + 1 < end ? data[position + 1]! : -1;
        if (after === QUOTE) {
          this.#kind = DOUBLED;
          position += 2;
          continue;
        }
        if (after === delimiter) {
          this.#field(this.#start, position, this.#kind);
          position += 2;
          state = AT_FIELD;
          continue;
        }
        if (after === LF || after === -1 || (after === CR && cr)) {
          this.#field(this.#start, position, this.#kind);
          return this.#done(position + 1, Math.min(position + 2, end));
        }
        if (after === CR) {
          if (position + 2 >= end && !final) break;
          if (position + 2 >= end || data[position + 2] === LF) {
            this.#field(this.#start, position, this.#kind);
            return this.#done(position + 1, Math.min(position + 3, end));
          }
        }
        this.#kind = MIXED;
        this.#start--;
        position++;
        state = IN_PLAIN;
      }
      let byte = -1;
      while (position < end) {
        byte = data[position]!;
        if (byte <= highest && (byte === delimiter || byte === LF || byte === other)) break;
        position++;
      }
      if (position >= end) {
        if (!final) break;
        const stop = !cr && data[end - 1] === CR && end > this.#start ? end - 1 : end;
        this.#field(this.#start, stop, this.#kind);
        return this.#done(stop, end);
      }
      if (byte === delimiter) {
        this.#field(this.#start, position, this.#kind);
        position++;
        state = AT_FIELD;
        continue;
      }
      const stop =
        byte === LF && !cr && position > this.#start && data[position - 1] === CR
          ? position - 1
          : position;
      this.#field(this.#start, stop, this.#kind);
      return this.#done(stop, position + 1);
    }
    this.#state = state;
    this.position = position;
    return false;
  }

  #skipEmptyLines(from: number, final: boolean): number {
    const data = this.#data;
    const end = data.length;
    let position = from;
    for (;;) {
      const byte = data[position];
      if (byte === LF) position++;
      else if (byte !== CR) return position;
      else if (this.#cr) position++;
      else if (data[position + 1] === LF) position += 2;
      else return final && position + 1 === end ? end : position;
    }
  }

  #field(start: number, end: number, kind: number): void {
    const at = this.count++ * 3;
    if (at + 2 >= this.fields.length) {
      if (this.count > MAX_FIELDS) return;
      const grown = new Int32Array(this.fields.length * 2);
      grown.set(this.fields);
      this.fields = grown;
    }
    this.fields[at] = start;
    this.fields[at + 1] = end;
    this.fields[at + 2] = kind;
  }

  #done(recordEnd: number, next: number): true {
    this.recordEnd = recordEnd;
    this.position = next;
    this.#inRecord = false;
    return true;
  }
}
