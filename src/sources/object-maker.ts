/** Wider rows gain little from a function of their own. */
const MOST_COLUMNS = 256;

export type ObjectMaker<V> = (values: readonly V[]) => Record<string, V>;

/**
 * Makes objects of these columns from values in their order. Compiled once for a header, an object
 * literal costs a fifth of assigning one name after another.
 */
export function objectMaker<V>(columns: readonly string[]): ObjectMaker<V> {
  if (columns.length <= MOST_COLUMNS) {
    // Nothing of a name can end its JSON string. As a computed name `__proto__` is one like any other.
    const members = columns.map((name, i) => {
      const key = JSON.stringify(name);
      return `${name === '__proto__' ? `[${key}]` : key}: values[${i}]`;
    });
    try {
      return new Function('values', `return { ${members.join(', ')} };`) as ObjectMaker<V>;
    } catch (error) {
      // Node was told not to make code of strings.
      if (!(error instanceof EvalError)) throw error;
    }
  }
  return (values) => assigned(columns, values);
}

/** The same without code of its own. */
export function assigned<V>(columns: readonly string[], values: readonly V[]): Record<string, V> {
  const object: Record<string, V> = {};
  for (let i = 0; i < columns.length; i++) {
    const name = columns[i]!;
    // Assigning to this name would set the prototype.
    if (name === '__proto__') {
      const value = values[i]!;
      const property = { value, writable: true, enumerable: true, configurable: true };
      Object.defineProperty(object, name, property);
    } else {
      object[name] = values[i]!;
    }
  }
  return object;
}
