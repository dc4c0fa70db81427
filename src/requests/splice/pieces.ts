/** Text with fields in it: n fields by their numbers, and the n + 1 pieces around them. */
export interface Pieces {
  readonly literals: readonly Buffer[];
  readonly fields: readonly number[];
  /** Bytes of all literals. */
  readonly literalBytes: number;
}

export function pieces(literals: readonly Buffer[], fields: readonly number[] = []): Pieces {
  return { literals, fields, literalBytes: literals.reduce((sum, { length }) => sum + length, 0) };
}

// Marks are of characters that JSON and templates leave as they are, and that nobody writes.
const OPEN = '\u{f0000}';
const CLOSE = '\u{f0001}';
const MARK = new RegExp(`${OPEN}(\\d+)${CLOSE}`, 'u');

/** Stands for a field in a text that is to be cut. */
export function mark(index: number): string {
  return `${OPEN}${index}${CLOSE}`;
}

/** Cuts a text at its marks. */
export function cut(text: string): Pieces {
  const parts = text.split(MARK);
  const literals = parts.filter((_, i) => i % 2 === 0).map((part) => Buffer.from(part));
  return pieces(literals, parts.filter((_, i) => i % 2 === 1).map(Number));
}

/**
 * A body as JSON, cut at its marks, behind `{"model":MODEL`; null when it does not begin so. The marks of
 * numbers lose their quotes.
 */
export function cutBody(
  body: { readonly model: string },
  numbers: ReadonlySet<number> = new Set(),
): Pieces | null {
  const json = JSON.stringify(body);
  const head = `{"model":${JSON.stringify(body.model)}`;
  if (!json.startsWith(head)) return null;
  let rest = json.slice(head.length);
  for (const number of numbers) rest = rest.replace(`"${mark(number)}"`, mark(number));
  return cut(rest);
}
