import { skipBlanks, skipString, skipValue } from '../json-shape.ts';
import type { LineShape } from './line-shape.ts';
import type { Place, RawFrame } from './raw-wish.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Places by what they go through: the number of one, or those that go on from here. */
type PlaceTree = number | Map<string | number, PlaceTree>;

/**
 * The shape of a record around the places of its frame, that JSON.parse made of `data[start, end)`.
 * Null when a place is no string or number, or when something on the way to one is not written once
 * and in the order that JSON.parse keeps.
 */
export function frameShapeOf(
  data: Buffer,
  start: number,
  end: number,
  record: object,
  frame: RawFrame,
): LineShape | null {
  return new FrameWalk(data, start, end).shape(record, frame);
}

/** Goes through the value and its bytes side by side. */
class FrameWalk {
  readonly #data: Buffer;
  readonly #end: number;
  #at: number;
  /** Where the gap under way begins. */
  #gap: number;
  /** What JSON.stringify writes of it. */
  #key = '';
  readonly #gaps: Buffer[] = [];
  readonly #keys: Buffer[] = [];
  readonly #fields: number[] = [];

  constructor(data: Buffer, start: number, end: number) {
    this.#data = data;
    this.#end = end;
    this.#at = start;
    this.#gap = start;
  }

  shape(record: object, frame: RawFrame): LineShape | null {
    const { places } = frame;
    if (!this.#value(record, treeOf(places)) || this.#fields.length !== places.length) return null;
    return {
      gaps: this.#gaps,
      keys: this.#keys,
      tail: Buffer.from(this.#data.subarray(this.#gap, this.#at)),
      end: Buffer.from(this.#key),
      fields: this.#fields,
      frame,
    };
  }

  /** Goes past a value; false when its bytes are not what was expected. */
  #value(value: unknown, places: PlaceTree | undefined): boolean {
    this.#at = skipBlanks(this.#data, this.#at);
    if (places === undefined) {
      this.#key += JSON.stringify(value);
      return this.#moveTo(skipValue(this.#data, this.#at, this.#end));
    }
    if (typeof places === 'number') return this.#place(value, places);
    if (typeof value !== 'object' || value === null) return false;
    return Array.isArray(value) ? this.#array(value, places) : this.#object(value, places);
  }

  #place(value: unknown, number: number): boolean {
    if (typeof value !== 'string' && typeof value !== 'number') return false;
    this.#gaps.push(Buffer.from(this.#data.subarray(this.#gap, this.#at)));
    this.#keys.push(Buffer.from(this.#key));
    this.#fields.push(number);
    this.#key = '';
    if (!this.#moveTo(skipValue(this.#data, this.#at, this.#end))) return false;
    this.#gap = this.#at;
    return true;
  }

  #object(value: object, places: Exclude<PlaceTree, number>): boolean {
    let sign = OPEN_BRACE;
    for (const [name, member] of Object.entries(value)) {
      if (!this.#sign(sign)) return false;
      sign = COMMA;
      const start = skipBlanks(this.#data, this.#at);
      if (this.#data[start] !== QUOTE) return false;
      if (!this.#moveTo(skipString(this.#data, start + 1, this.#end))) return false;
      if (JSON.parse(this.#data.toString('utf8', start, this.#at)) !== name) return false;
      this.#key += JSON.stringify(name);
      if (!this.#sign(COLON) || !this.#value(member, places.get(name))) return false;
    }
    return sign === COMMA && this.#sign(CLOSE_BRACE);
  }

  #array(value: readonly unknown[], places: Exclude<PlaceTree, number>): boolean {
    let sign = OPEN_BRACKET;
    for (const [index, element] of value.entries()) {
      if (!this.#sign(sign) || !this.#value(element, places.get(index))) return false;
      sign = COMMA;
    }
    return sign === COMMA && this.#sign(CLOSE_BRACKET);
  }

  #sign(byte: number): boolean {
    this.#at = skipBlanks(this.#data, this.#at);
    this.#key += String.fromCharCode(byte);
    return this.#data[this.#at++] === byte;
  }

  #moveTo(at: number): boolean {
    this.#at = at;
    return at !== -1;
  }
}

function treeOf(places: readonly Place[]): PlaceTree {
  const root = new Map<string | number, PlaceTree>();
  for (const [number, place] of places.entries()) {
    let tree = root;
    for (const step of place.slice(0, -1)) {
      const next = tree.get(step);
      const below = next instanceof Map ? next : new Map<string | number, PlaceTree>();
      tree.set(step, below);
      tree = below;
    }
    tree.set(place.at(-1) ?? '', number);
  }
  return root;
}
