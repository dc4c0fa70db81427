import { kernelMemory, loadKernel } from '../streams/kernel.ts';
import type { JsonShape } from './json-shape.ts';
import {
  ENTRY_BYTES,
  FALSE,
  FIELDS,
  FOUND,
  INPUT,
  INPUT_BYTES,
  LONG,
  MEMORY_BYTES,
  MOST_BYTES,
  MOST_FIELDS,
  NESTED,
  NUMBER,
  SHAPE,
  SHAPE_BYTES,
  SHORT,
  SHORTS,
  TRUE,
} from './record-layout.ts';

const KERNEL = new URL('./data/kernel.wasm', import.meta.url);

/** See kernel/index.ts. */
interface Kernel {
  prepareEscapes(): void;
  readObject(start: number, limit: number): number;
  readRow(from: number, limit: number, columns: number, delimiter: number): number;
}

/**
 * Takes records apart in WebAssembly: objects of JSON of a known shape, rows of CSV. The bytes have to
 * lie in `input`. What it does not take is left to the parser.
 *
 * A call into the decoder costs more than a short text, so the short ones of a record are decoded
 * together; long ones each by itself, so that a field that is kept keeps no more than the short ones
 * beside it.
 */
export class RecordKernel {
  /** Where the bytes to be read are put. */
  readonly input: Buffer;
  /** Of the record that was taken last: where it starts, where it ends, where the next may begin. */
  start = 0;
  end = 0;
  next = 0;

  readonly #memory = kernelMemory(MEMORY_BYTES);
  readonly #kernel = loadKernel<Kernel>(KERNEL, this.#memory);
  readonly #bytes = Buffer.from(this.#memory.buffer);
  readonly #words = new Int32Array(this.#memory.buffer);
  readonly #doubles = new Float64Array(this.#memory.buffer);

  private constructor() {
    this.#kernel.prepareEscapes();
    this.input = this.#bytes.subarray(INPUT, INPUT + INPUT_BYTES);
  }

  /** One that nobody uses; `giveBack` it once nothing is read any more. */
  static take(): RecordKernel {
    return spares.pop() ?? new RecordKernel();
  }

  giveBack(): void {
    if (spares.length < MOST_SPARES) spares.push(this);
  }

  /** Whether the bytes lie in `input`, from its beginning. */
  holds(data: Buffer): boolean {
    return data.buffer === this.input.buffer && data.byteOffset === INPUT;
  }

  /** Whether records of so many fields can be taken. */
  takes(fields: number): boolean {
    return fields > 0 && fields <= MOST_FIELDS;
  }

  /** Expects objects of this shape from now on; false when it is too large. */
  expect({ gaps, tail }: JsonShape): boolean {
    const parts = [...gaps, tail];
    const bytes = parts.reduce((sum, part) => sum + 4 + part.length, 4);
    if (!this.takes(gaps.length) || bytes > SHAPE_BYTES) return false;
    let at = this.#bytes.writeInt32LE(gaps.length, SHAPE);
    for (const part of parts) {
      at = this.#bytes.writeInt32LE(part.length, at);
      at += part.copy(this.#bytes, at);
    }
    return true;
  }

  /** Takes the object of the expected shape that starts at `start` and ends before `limit`. */
  object(start: number, limit: number): boolean {
    const stop = Math.min(limit, start + MOST_BYTES);
    return this.#took(this.#kernel.readObject(INPUT + start, INPUT + stop));
  }

  /** Takes the row of so many columns that is the next one behind `from`, if it ends before `limit`. */
  row(from: number, limit: number, columns: number, delimiter: number): boolean {
    const stop = Math.min(limit, from + MOST_BYTES);
    return this.#took(this.#kernel.readRow(INPUT + from, INPUT + stop, columns, delimiter));
  }

  #took(next: number): boolean {
    if (next === -1) return false;
    this.next = next - INPUT;
    this.start = this.#words[FOUND >> 2]! - INPUT;
    this.end = this.#words[(FOUND + 4) >> 2]! - INPUT;
    return true;
  }

  /**
   * The values of the first `count` fields of the record that was taken last; null when one is not
   * JSON. The array is a new one, since the engine would have to note each young string in an old one.
   */
  read(count: number): unknown[] | null {
    const values = new Array<unknown>(count);
    const words = this.#words;
    const bytes = this.#bytes;
    const shorts = words[(FOUND + 8) >> 2]!;
    const text = shorts === 0 ? '' : bytes.toString('utf8', SHORTS, SHORTS + shorts);
    for (let field = 0, at = FIELDS; field < count; field++, at += ENTRY_BYTES) {
      const kind = words[at >> 2]!;
      if (kind === NUMBER) {
        values[field] = this.#doubles[(at + 8) >> 3]!;
        continue;
      }
      const start = words[(at + 8) >> 2]!;
      const end = words[(at + 12) >> 2]!;
      if (kind === SHORT) {
        values[field] = text.slice(start, end);
      } else if (kind === LONG) {
        values[field] = bytes.toString('utf8', start, end);
      } else if (kind === NESTED) {
        const nested = parsed(bytes.toString('utf8', start, end));
        if (nested === undefined) return null;
        values[field] = nested;
      } else {
        values[field] = kind === TRUE ? true : kind === FALSE ? false : null;
      }
    }
    return values;
  }
}

/** Making one costs more than reading a small file. */
const MOST_SPARES = 4;
const spares: RecordKernel[] = [];

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
