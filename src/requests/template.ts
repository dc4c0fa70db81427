import { UsageError } from '../core/errors.ts';
import { type FieldReader, fieldReader, MissingField, UnusableField } from './field-path.ts';
import { isObject, type JsonValue } from './json.ts';

/**
 * A text with `{{field}}` in it.
 *
 * - `{{name}}`, `{{ user.name }}`, `{{items.0.price}}`, `{{Review Text}}`: a column or dotted path.
 * - A string stands as it is, numbers and booleans as JavaScript writes them, objects and arrays as
 *   JSON, null as nothing. A field that the record lacks makes no text but a MissingField.
 * - `{{{{` is a literal `{{`; `}}` outside of a field is itself.
 */
export interface Template {
  /** The fields it names, each once, in their order. */
  readonly fields: readonly string[];
  render(record: unknown, source?: string): string | UnusableField;
}

/** Compiles a text; throws a UsageError, with the offset, for a field that is not closed or empty. */
export function compileTemplate(text: string, readerOf: ReaderOf = fieldReader): Template {
  return compileParsed(parse(text), readerOf);
}

/** Makes the reader of a field; the tests of a template without a record have another one. */
export type ReaderOf = (field: string) => FieldReader;

function compileParsed({ texts, fields }: Parsed, readerOf: ReaderOf): Template {
  const readers = fields.map(readerOf);
  return {
    fields: [...new Set(fields)],
    render(record, source) {
      let out = texts[0] ?? '';
      for (let i = 0; i < readers.length; i++) {
        const value = readers[i]?.(record, source);
        if (value === undefined) return new MissingField(fields[i] ?? '');
        if (value instanceof UnusableField) return value;
        out += asText(value) + texts[i + 1];
      }
      return out;
    },
  };
}

/** A JSON value whose strings are templates. */
export interface JsonTemplate {
  readonly fields: readonly string[];
  render(record: unknown, source?: string): unknown;
}

/**
 * Compiles every string value of a JSON value (keys stay as they are). A string that is exactly one
 * `{{field}}` becomes the field's value with its own type, so that arrays, numbers and null pass
 * through. `render` gives an UnusableField where a
 * field is missing or does not do.
 */
export function compileJson(value: JsonValue, readerOf: ReaderOf = fieldReader): JsonTemplate {
  const fields = new Set<string>();
  const render = compileValue(value, {
    fields,
    readerOf,
  });
  return { fields: [...fields], render };
}

interface Compilation {
  readonly fields: Set<string>;
  readonly readerOf: ReaderOf;
}

function compileValue(value: JsonValue, to: Compilation): FieldReader {
  if (typeof value === 'string') return compileString(value, to);
  if (Array.isArray(value)) return compileArray(value, to);
  if (isObject(value)) return compileObject(value, to);
  return () => value;
}

function compileString(text: string, to: Compilation): FieldReader {
  const parsed = parse(text);
  for (const name of parsed.fields) to.fields.add(name);
  const [field] = parsed.fields;
  if (field === undefined || parsed.texts.length > 2 || parsed.texts.join('') !== '') {
    return compileParsed(parsed, to.readerOf).render;
  }
  const read = to.readerOf(field);
  return (record, source) => {
    const found = read(record, source);
    return found === undefined ? new MissingField(field) : found;
  };
}

function compileArray(values: readonly JsonValue[], to: Compilation): FieldReader {
  const items = values.map((value) => compileValue(value, to));
  return (record, source) => {
    const out: unknown[] = [];
    for (const render of items) {
      const value = render(record, source);
      if (value instanceof UnusableField) return value;
      out.push(value);
    }
    return out;
  };
}

function compileObject(object: Record<string, JsonValue>, to: Compilation): FieldReader {
  const entries = Object.entries(object).map(
    ([key, value]) => [key, compileValue(value, to)] as const,
  );
  return (record, source) => {
    const out: [string, unknown][] = [];
    for (const [key, render] of entries) {
      const value = render(record, source);
      if (value instanceof UnusableField) return value;
      out.push([key, value]);
    }
    // fromEntries defines keys, so that a key `__proto__` is data like any other.
    return Object.fromEntries(out);
  };
}

function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

interface Parsed {
  readonly texts: readonly string[];
  readonly fields: readonly string[];
}

/** Cuts the text into n fields and the n + 1 texts around them. */
function parse(text: string): Parsed {
  const texts: string[] = [];
  const fields: string[] = [];
  let literal = '';
  let at = 0;
  for (let open = text.indexOf('{{'); open !== -1; open = text.indexOf('{{', at)) {
    literal += text.slice(at, open);
    if (text.startsWith('{{{{', open)) {
      literal += '{{';
      at = open + 4;
      continue;
    }
    const close = text.indexOf('}}', open);
    const name = close === -1 ? '' : text.slice(open + 2, close).trim();
    if (name === '' || /[{}"\n]/.test(name)) {
      throw new UsageError(
        `the template's {{ at character ${open} does not begin a field; write {{field}}, or {{{{ for a literal {{`,
      );
    }
    texts.push(literal);
    fields.push(name);
    literal = '';
    at = close + 2;
  }
  texts.push(literal + text.slice(at));
  return { texts, fields };
}
