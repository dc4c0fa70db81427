import type { Position } from '../core/record.ts';

/** `reviews.csv row 12, byte 3456`: where a record lies, for messages. Never its text. */
export function describePosition(position: Position): string {
  const row = `${position.source} row ${position.row}`;
  return position.byte < 0 ? row : `${row}, byte ${position.byte}`;
}
