import { type JsonShape, shapeOf } from './json-shape.ts';
import { type ObjectMaker, objectMaker } from './object-maker.ts';
import { RecordKernel } from './record-kernel.ts';

/** An object of another shape costs so many of the known one, for it is looked at twice. */
const MISS_COST = 4;
const MOST_CREDIT = 64;
/** Objects left to JSON.parse once the credit is gone. */
const REST = 256;

/**
 * Reads objects as JSON.parse does, where they are written like the last one that JSON.parse read:
 * the same keys in the same order with the same blanks. Anything else is left to JSON.parse, and so
 * is what is not JSON.
 */
export class JsonObjects {
  /** Offset behind the object that was read last. */
  end = 0;

  readonly #kernel = RecordKernel.take();
  #closed = false;
  #shape: JsonShape | null = null;
  #make: ObjectMaker<unknown> = objectMaker([]);
  #count = 0;
  #credit = MOST_CREDIT;
  #rest = 0;

  /** Objects are only read here. */
  get input(): Buffer {
    return this.#kernel.input;
  }

  /** Nothing is read any more. */
  close(): void {
    if (!this.#closed) this.#kernel.giveBack();
    this.#closed = true;
    this.#shape = null;
  }

  /** The object at `start`, or null when it has to be read by JSON.parse. */
  read(data: Buffer, start: number, limit: number): object | null {
    if (this.#shape === null || !this.#kernel.holds(data)) return null;
    if (!this.#kernel.object(start, limit)) return null;
    const values = this.#kernel.read(this.#count);
    if (values === null) return null;
    this.end = this.#kernel.next;
    if (this.#credit < MOST_CREDIT) this.#credit++;
    return this.#make(values);
  }

  /** Told each object that JSON.parse made of `data[start, end)`. */
  learn(data: Buffer, start: number, end: number, object: object): void {
    if (this.#rest > 0) {
      this.#rest--;
      return;
    }
    this.#credit -= MISS_COST;
    const tooMany = this.#credit < 0;
    this.#expect(tooMany ? null : shapeOf(data, start, end, object), end - start);
    if (this.#shape === null) this.#rest = REST;
    if (tooMany) this.#credit = MISS_COST;
  }

  #expect(shape: JsonShape | null, bytes: number): void {
    if (shape !== null && this.#shape !== null && areSame(shape, this.#shape)) return;
    // What is mostly objects and arrays is JSON.parse's anyway.
    const known = shape !== null && shape.nested * 2 <= bytes && this.#kernel.expect(shape);
    this.#shape = known ? shape : null;
    if (!known) return;
    this.#make = objectMaker(shape.names);
    this.#count = shape.names.length;
  }
}

function areSame(one: JsonShape, other: JsonShape): boolean {
  return (
    one.gaps.length === other.gaps.length &&
    one.tail.equals(other.tail) &&
    one.gaps.every((gap, i) => gap.equals(other.gaps[i]!))
  );
}
