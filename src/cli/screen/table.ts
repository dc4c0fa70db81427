import type { Style } from './style.ts';
import { cells } from './words.ts';

/** A column: its heading, and whether its values are numbers, which stand to the right. */
export interface Column<Row> {
  readonly heading: string;
  readonly right?: boolean;
  value(row: Row): string;
}

const GAP = '  ';

/**
 * Rows in columns as wide as what they hold. Nothing is cut: ids and names are there to be copied.
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  style: Style,
): string[] {
  const lines = [
    columns.map(({ heading }) => heading),
    ...rows.map((row) => columns.map(({ value }) => value(row))),
  ];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => cells(line[at] ?? ''))));
  return lines.map((line, index) => {
    const text = line
      .map((value, at) => {
        const space = ' '.repeat((widths[at] ?? 0) - cells(value));
        return columns[at]?.right ? space + value : value + space;
      })
      .join(GAP)
      .trimEnd();
    return index === 0 ? style.colour('dim', text) : text;
  });
}
