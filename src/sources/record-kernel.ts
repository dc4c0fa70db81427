import { type KernelMemory, kernelMemory, loadKernel } from '../streams/kernel.ts';
import type { JsonShape } from './json-shape.ts';

const MEMORY_BYTES = 1024 * 1024; // 1 MiB
const KERNEL = new URL('./data/kernel.wasm', import.meta.url);

interface Constant {
  readonly value: number;
}

/** What `kernel/index.ts` exports; its layout says what lies where. */
interface Kernel {
  prepareEscapes(): void;
  readObject(start: number, limit: number): number;
  readRow(from: number, limit: number, columns: number, delimiter: number): number;
  readonly MOST_BYTES: Constant;
  readonly MOST_FIELDS: Constant;
  readonly SLACK_BYTES: Constant;
  readonly FOUND: Constant;
  readonly FIELDS: Constant;
  readonly SHAPE: Constant;
  readonly SHAPE_BYTES: Constant;
  readonly SHORTS: Constant;
  readonly INPUT: Constant;
}

// Kinds of fields, as in kernel/layout.ts.
const SHORT = 0;
const LONG = 1;
const NUMBER = 2;
const NESTED = 3;
const TRUE = 4;
const FALSE = 5;

/** Bytes of a field's entry; its kind is a word, its offsets the third and fourth. */
const ENTRY_BYTES = 16;

/**
 * Takes records apart in WebAssembly: objects of JSON of a known shape, rows of CSV. The bytes have to
 * lie in `input`. What it does not take is null, and is left to the parser.
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

  readonly #kernel: Kernel;
  readonly #memory: Buffer;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #inputAt: number;
  readonly #mostBytes: number;
  readonly #found: number;
  readonly #fields: number;
  readonly #shorts: number;

  private constructor() {
    const memory: KernelMemory = kernelMemory(MEMORY_BYTES);
    const kernel = loadKernel<Kernel>(KERNEL, memory);
    kernel.prepareEscapes();
    this.#kernel = kernel;
    this.#memory = Buffer.from(memory.buffer);
    this.#words = new Int32Array(memory.buffer);
    this.#doubles = new Float64Array(memory.buffer);
    this.#inputAt = kernel.INPUT.value;
    this.#mostBytes = kernel.MOST_BYTES.value;
    this.#found = kernel.FOUND.value >> 2;
    this.#fields = kernel.FIELDS.value;
    this.#shorts = kernel.SHORTS.value;
    this.input = this.#memory.subarray(this.#inputAt, MEMORY_BYTES - kernel.SLACK_BYTES.value);
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
    return data.buffer === this.input.buffer && data.byteOffset === this.#inputAt;
  }

  /** Whether records of so many fields can be taken. */
  takes(fields: number): boolean {
    return fields > 0 && fields <= this.#kernel.MOST_FIELDS.value;
  }

  /** Expects objects of this shape from now on; false when it is too large. */
  expect({ gaps, tail }: JsonShape): boolean {
    const { SHAPE, SHAPE_BYTES } = this.#kernel;
    const parts = [...gaps, tail];
    const bytes = parts.reduce((sum, part) => sum + 4 + part.length, 4);
    if (!this.takes(gaps.length) || bytes > SHAPE_BYTES.value) return false;
    let at = this.#memory.writeInt32LE(gaps.length, SHAPE.value);
    for (const part of parts) {
      at = this.#memory.writeInt32LE(part.length, at);
      at += part.copy(this.#memory, at);
    }
    return true;
  }

  /** Takes the object of the expected shape that starts at `start` and ends before `limit`. */
  object(start: number, limit: number): boolean {
    const at = this.#inputAt;
    const stop = Math.min(limit, start + this.#mostBytes);
    return this.#took(this.#kernel.readObject(at + start, at + stop));
  }

  /** Takes the row of so many columns that is the next one behind `from`, if it ends before `limit`. */
  row(from: number, limit: number, columns: number, delimiter: number): boolean {
    const at = this.#inputAt;
    const stop = Math.min(limit, from + this.#mostBytes);
    return this.#took(this.#kernel.readRow(at + from, at + stop, columns, delimiter));
  }

  #took(next: number): boolean {
    if (next === -1) return false;
    this.next = next - this.#inputAt;
    this.start = this.#words[this.#found]! - this.#inputAt;
    this.end = this.#words[this.#found + 1]! - this.#inputAt;
    return true;
  }

  /**
   * The values of the first `count` fields of the record that was taken last; null when one is not
   * JSON. The array is a new one, since the engine would have to note each young string in an old one.
   */
  read(count: number): unknown[] | null {
    const values = new Array<unknown>(count);
    const words = this.#words;
    const memory = this.#memory;
    const shorts = words[this.#found + 2]!;
    const text = shorts === 0 ? '' : memory.toString('utf8', this.#shorts, this.#shorts + shorts);
    for (let field = 0, at = this.#fields; field < count; field++, at += ENTRY_BYTES) {
      const kind = words[at >> 2]!;
      if (kind === NUMBER) {
        values[field] = this.#doubles[(at + 8) >> 3]!;
        continue;
      }
      const start = words[(at + 8) >> 2]!;
      const end = words[(at + 12) >> 2]!;
      if (kind === SHORT) values[field] = text.slice(start, end);
      else if (kind === LONG) values[field] = memory.toString('utf8', start, end);
      else if (kind !== NESTED)
        values[field] = kind === TRUE ? true : kind === FALSE ? false : null;
      else {
        const nested = parsed(memory.toString('utf8', start, end));
        if (nested === undefined) return null;
        values[field] = nested;
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
