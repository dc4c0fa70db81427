/**
 * Names under which the fields of a CSV are known, without the white space around them (`id, text`).
 * A name that is empty becomes `column_<n>` with n counting from 1; a name that was there before gets
 * `_2`, `_3` and so on, passing over names that the header has itself.
 */
export function columnNames(header: readonly string[]): string[] {
  const names = header.map((name) => name.trim());
  const written = new Set(names);
  const taken = new Set<string>();
  return names.map((field, index) => {
    const base = field === '' ? `column_${index + 1}` : field;
    let name = base;
    for (let n = 2; taken.has(name) || (name !== field && written.has(name)); n++) {
      name = `${base}_${n}`;
    }
    taken.add(name);
    return name;
  });
}

/** Names for the fields of a CSV without a header: `column_1` and so on. */
export function numberedColumns(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `column_${index + 1}`);
}
