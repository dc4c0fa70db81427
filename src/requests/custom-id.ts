import type { RowError } from '../core/record.ts';

/** Longest custom_id, in characters. The service names no limit; this one is ours. */
export const MAX_CUSTOM_ID_LENGTH = 512;

/**
 * A user's own id as the service wants it: a string that is not empty, or a number written as one.
 * Anything else is the error of a row that is rejected. That ids are unique in a file is checked
 * where the file is written.
 */
export function customIdOf(value: unknown, where: string): string | RowError {
  const id = typeof value === 'number' && Number.isFinite(value) ? String(value) : value;
  if (typeof id !== 'string' || id === '') {
    return {
      code: 'missing_custom_id',
      message: `${where}: the record has no id; it must be a string that is not empty, or a number`,
    };
  }
  if (id.length > MAX_CUSTOM_ID_LENGTH) {
    return {
      code: 'invalid_custom_id',
      message: `${where}: the id has ${id.length} characters, more than ${MAX_CUSTOM_ID_LENGTH}`,
    };
  }
  return id;
}
