import { shapeOf } from '../json-shape.ts';
import { frameShapeOf } from './frame-shape.ts';
import type { RawFrame, RawWish } from './raw-wish.ts';

/** How the records of a source are written around their values. */
export interface LineShape {
  /** What stands before each value, blanks included. */
  readonly gaps: readonly Buffer[];
  /** The same as JSON.stringify writes it. */
  readonly keys: readonly Buffer[];
  /** What stands behind the last value. */
  readonly tail: Buffer;
  /** The same as JSON.stringify writes it. */
  readonly end: Buffer;
  /** Of each value the number under which it was asked for, or -1. */
  readonly fields: readonly number[];
  readonly frame: RawFrame | null;
}

/** The shape of a record that JSON.parse made of `data[start, end)`, or null when it is of no use. */
export type ShapeOf = (
  data: Buffer,
  start: number,
  end: number,
  record: object,
) => LineShape | null;

/** What finds the shapes that fulfil a wish. */
export function shapesFor(wish: RawWish): ShapeOf {
  if ('fields' in wish) {
    const { fields } = wish;
    return (data, start, end, record) => fieldShapeOf(data, start, end, record, fields);
  }
  return (data, start, end, record) => {
    const frame = wish.frameOf(record);
    return frame === null ? null : frameShapeOf(data, start, end, record, frame);
  };
}

function fieldShapeOf(
  data: Buffer,
  start: number,
  end: number,
  record: object,
  fields: readonly string[],
): LineShape | null {
  const shape = shapeOf(data, start, end, record);
  if (shape === null) return null;
  const { names, gaps, tail } = shape;
  return {
    gaps,
    keys: names.map((name, k) => Buffer.from(`${k === 0 ? '{' : ','}${JSON.stringify(name)}:`)),
    tail,
    end: Buffer.from('}'),
    fields: names.map((name) => fields.indexOf(name)),
    frame: null,
  };
}
