import { SLACK_BYTES } from './desk.ts';
import type { LineShape } from './line-shape.ts';
import type { Area, RawMemory } from './memory.ts';
import type { RawFrame } from './raw-wish.ts';

const ODD_VALUES = 1;
const NOT_TAKEN = -1;

// The tables of the kernel's `take`, in words: of a shape six, then five of each value; of the values
// start, end and kind, which is negative for an unusual form.
const SHAPE_WORDS = 6;
const KEY_WORDS = 5;
const VALUE_WORDS = 3;
const WORD_BYTES = 4;
const TEXT = 1;
const ESCAPED = 2;

/** A shape where the kernel can see it. */
export class ShapeTable {
  readonly frame: RawFrame | null;
  readonly #memory: RawMemory;
  readonly #area: Area;
  readonly #count: number;
  /** Address of the table of values, behind the one of the shape. */
  readonly #values: number;
  /** Where values that are written anew can be put. */
  readonly #scratch: number;

  private constructor(memory: RawMemory, area: Area, shape: LineShape, scratch: number) {
    this.frame = shape.frame;
    this.#memory = memory;
    this.#area = area;
    this.#count = shape.gaps.length;
    this.#values = area.start + (SHAPE_WORDS + this.#count * KEY_WORDS) * WORD_BYTES;
    this.#scratch = scratch;
  }

  /** Null when the area is too small. */
  static place(memory: RawMemory, area: Area, shape: LineShape): ShapeTable | null {
    const { gaps, keys, tail, end, fields } = shape;
    const words = SHAPE_WORDS + gaps.length * (KEY_WORDS + VALUE_WORDS);
    let at = area.start + words * WORD_BYTES;
    const size = [tail, end, ...gaps, ...keys].reduce((sum, { length }) => sum + length, 0);
    if (size + SLACK_BYTES > area.end - at) return null;
    let word = area.start / WORD_BYTES;
    /** Puts a text as it is in the source, and as JSON.stringify writes it. */
    const put = (text: Buffer, written: Buffer): boolean => {
      const same = text.equals(written);
      for (const each of same ? [text] : [text, written]) {
        memory.words[word++] = at;
        memory.words[word++] = each.length;
        at += each.copy(memory.bytes, at);
      }
      if (same) {
        memory.words[word] = memory.words[word - 2]!;
        memory.words[word + 1] = memory.words[word - 1]!;
        word += 2;
      }
      return same;
    };
    memory.words[word++] = gaps.length;
    let asItIs = put(tail, end);
    const flag = word++;
    for (const [k, gap] of gaps.entries()) {
      asItIs = put(gap, keys[k]!) && asItIs;
      memory.words[word++] = fields[k]!;
    }
    memory.words[flag] = asItIs ? 1 : 0;
    return new ShapeTable(memory, area, shape, at + SLACK_BYTES);
  }

  /**
   * Looks through the record `[at, stop)`: 0 when it can be taken as it is, -1 when it cannot be taken,
   * else the end of what was written at `out`, up to `limit`.
   */
  take(at: number, stop: number, spans: number, out: number, limit: number): number {
    const { kernel } = this.#memory;
    const { start } = this.#area;
    const took = kernel.take(at, stop, start, this.#values, spans, out, limit);
    if (took !== ODD_VALUES) return took;
    if (!this.#putRight()) return NOT_TAKEN;
    return kernel.assemble(start, this.#values, spans, out, limit);
  }

  /** Writes values that are no strings, in another form, anew; false when one of them is not JSON. */
  #putRight(): boolean {
    const { bytes, words } = this.#memory;
    let to = this.#scratch;
    const first = this.#values / WORD_BYTES;
    for (let k = 0; k < this.#count; k++) {
      const word = first + k * VALUE_WORDS;
      const kind = -words[word + 2]!;
      if (kind <= 0 || kind === TEXT || kind === ESCAPED) continue;
      const text = rewritten(bytes, words[word]!, words[word + 1]!);
      if (text === null || text.length > this.#area.end - SLACK_BYTES - to) return false;
      words[word] = to;
      to += text.copy(bytes, to);
      words[word + 1] = to;
      words[word + 2] = kind;
    }
    return true;
  }
}

/**
 * The value as JSON.stringify writes it; null when it is not JSON, or has a number so large that it is
 * written as null and would be taken for that.
 */
function rewritten(data: Buffer, start: number, end: number): Buffer | null {
  const text = data.toString('utf8', start, end);
  try {
    const written = JSON.stringify(JSON.parse(text));
    return nullsIn(written) > nullsIn(text) ? null : Buffer.from(written);
  } catch {
    return null;
  }
}

function nullsIn(json: string): number {
  return json.split('null').length;
}
