/** A field whose value no request can be made with, found where it was needed. */
export class UnusableField {
  /** The code of the row that is rejected. */
  readonly code: string;
  /** Holds nothing of the record's values. */
  readonly message: string;

  constructor(code: string, message: string) {
    this.code = code;
    this.message = message;
  }
}

/** A field that a record does not have. */
export class MissingField extends UnusableField {
  constructor(field: string) {
    super('missing_field', `the record has no field ${field}, which the request names`);
  }
}

/**
 * Reads one field of a record; undefined when the record does not have it. `source` is what the
 * record's position names.
 */
export type FieldReader = (record: unknown, source?: string) => unknown;

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
