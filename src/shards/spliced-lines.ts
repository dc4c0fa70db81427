import { pieces } from '../requests/splice/pieces.ts';
import { PlacedPieces } from '../requests/splice/placed-pieces.ts';
import type { SplicedRequest } from '../requests/splice/spliced-request.ts';
import type { SpliceTemplate } from '../requests/splice/template.ts';
import { rawMemory } from '../sources/raw/memory.ts';
import { headText, NEWLINE } from './format.ts';
import { type LineFile, MOST_LINE_BYTES } from './line-file.ts';

const ID_PREFIX = '{"custom_id":"';
const ORDINAL_PREFIX = '{"ordinal":';
const RECORD_KEY = ',"record":';
const BRACE = 0x7d;
const WORD_BYTES = 4;

/** Writes the two lines of spliced requests, the same bytes that `serialise` gives. */
export class SplicedLines {
  readonly #memory = rawMemory();
  readonly #template: SpliceTemplate;
  /** What stands before an id: the job's name and `-` too where ids are made of ordinals. */
  readonly #id: PlacedPieces;
  /** What stands behind the id, with the fields of the body. */
  readonly #body: PlacedPieces;
  readonly #ordinal: PlacedPieces;
  readonly #record: PlacedPieces;
  #item: SplicedRequest | null = null;
  #number = 0;
  /** Of the lines of the last request that was measured, their newlines included. */
  requestBytes = 0;
  recordBytes = 0;

  private constructor(template: SpliceTemplate, placed: readonly PlacedPieces[]) {
    this.#template = template;
    const [id, body, ordinal, record] = placed;
    this.#id = id!;
    this.#body = body!;
    this.#ordinal = ordinal!;
    this.#record = record!;
  }

  /** Null when there is no room for what the lines have in common. */
  static open(template: SpliceTemplate, jobName: string): SplicedLines | null {
    const { endpoint, model, body, id } = template;
    const [first, ...others] = body.literals;
    const head = Buffer.from(`"${headText(endpoint, model)}`);
    const literals = [Buffer.concat([head, first!]), ...others];
    literals.push(Buffer.concat([literals.pop()!, Buffer.from('}\n')]));
    const made = id === -1 ? `${jobName}-` : '';
    const placed: PlacedPieces[] = [];
    for (const each of [
      pieces([Buffer.from(ID_PREFIX + made)]),
      pieces(literals, body.fields),
      pieces([Buffer.from(ORDINAL_PREFIX)]),
      pieces([Buffer.from(RECORD_KEY)]),
    ]) {
      const one = PlacedPieces.place(rawMemory(), each);
      if (one === null) {
        for (const other of placed) other.free();
        return null;
      }
      placed.push(one);
    }
    return new SplicedLines(template, placed);
  }

  /** Measures the lines of the next request. */
  measure(item: SplicedRequest, ordinal: number): void {
    this.#item = item;
    this.#number = ordinal;
    const { id, body } = this.#template;
    const { spans, at, start, end } = item.raw;
    const digits = digitsOf(ordinal);
    // The placed pieces hold the body's own and the head before them.
    let bytes = this.#id.bytes + this.#body.bytes + item.bodyBytes - body.literalBytes;
    bytes += id === -1 ? digits : spans[at + id * 3 + 1]! - spans[at + id * 3]!;
    this.requestBytes = bytes;
    this.recordBytes = this.#ordinal.bytes + digits + this.#record.bytes + end - start + 2;
  }

  /** Whether lines of this size can be written at once at all. */
  get small(): boolean {
    return this.requestBytes <= MOST_LINE_BYTES && this.recordBytes <= MOST_LINE_BYTES;
  }

  /** Writes both lines; false when a file has no room for its own, and nothing was written. */
  write(requests: LineFile, records: LineFile): boolean {
    const request = requests.roomFor(this.requestBytes);
    const record = records.roomFor(this.recordBytes);
    if (request === 0 || record === 0) return false;
    const { bytes, kernel } = this.#memory;
    const { raw } = this.#item!;
    const { spans, at, start, end } = raw;
    const { id } = this.#template;
    let to = kernel.join(this.#id.address, 0, request);
    if (id === -1) {
      to = kernel.writeNumber(this.#number, to);
    } else {
      const own = spans[at + id * 3]!;
      to = kernel.copy(own, spans[at + id * 3 + 1]! - own, to);
    }
    kernel.join(this.#body.address, at * WORD_BYTES, to);
    requests.wrote(this.requestBytes);
    to = kernel.join(this.#ordinal.address, 0, record);
    to = kernel.writeNumber(this.#number, to);
    to = kernel.join(this.#record.address, 0, to);
    to = kernel.copy(start, end - start, to);
    bytes[to] = BRACE;
    bytes[to + 1] = NEWLINE;
    records.wrote(this.recordBytes);
    return true;
  }

  close(): void {
    for (const each of [this.#id, this.#body, this.#ordinal, this.#record]) each.free();
  }
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest /= 10) digits++;
  return digits;
}
