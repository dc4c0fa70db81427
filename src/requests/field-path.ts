/** A field that a record does not have, found where its value was needed. */
export class MissingField {
  readonly field: string;

  constructor(field: string) {
    this.field = field;
  }
}

/** Reads one field of a record; undefined when the record does not have it. */
export type FieldReader = (record: unknown) => unknown;

/**
 * A reader of a field by its name or dotted path. A field of exactly that name comes first, so a
 * CSV column `user.name` is found as well as `name` inside `user`. `0`, `1` … count into arrays.
 * Only the record's own fields are seen.
 */
export function fieldReader(path: string): FieldReader {
  const steps = path.split('.');
  if (steps.length === 1) return (record) => step(record, path);
  return (record) => {
    const whole = step(record, path);
    if (whole !== undefined) return whole;
    let value: unknown = record;
    for (const name of steps) {
      value = step(value, name);
      if (value === undefined) return undefined;
    }
    return value;
  };
}

function step(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return ARRAY_INDEX.test(name) ? value[Number(name)] : undefined;
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

const ARRAY_INDEX = /^(0|[1-9]\d*)$/;
