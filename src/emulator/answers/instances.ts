import type { Random } from '../../core/clock.ts';
import { textMatching } from './patterns.ts';
import { isObject } from './tokens.ts';
import { writeWords } from './words.ts';

type Schema = Readonly<Record<string, unknown>>;

/** From here on, what may be left out is left out, so that recursive schemas come to an end. */
const DEEP = 4;
/** From here on, the shortest way out is taken even where the schema asks for more. */
const DEEPEST = 24;

const MOST_CHARACTERS = 1_000_000;

/** A schema that asks for more gets this many: nobody wants a billion. */
const MOST_ITEMS = 10_000;

/** Texts for the formats of JSON Schema. */
const FORMATS: Readonly<Record<string, string>> = {
  date: '2024-07-19',
  time: '17:13:57Z',
  'date-time': '2024-07-19T17:13:57Z',
  duration: 'P1D',
  email: 'someone@example.com',
  hostname: 'example.com',
  uri: 'https://example.com/page',
  'uri-reference': '/page',
  uuid: '6caaf24d-54a5-46be-b1b7-518884fcbdde',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
};

/** A value that satisfies a JSON schema, drawn from `random`. */
export function instanceOf(schema: unknown, random: Random): unknown {
  return new Maker(schema, random).make(schema, 0);
}

class Maker {
  readonly #root: unknown;
  readonly #random: Random;

  constructor(root: unknown, random: Random) {
    this.#root = root;
    this.#random = random;
  }

  make(given: unknown, depth: number): unknown {
    if (given === true || !isObject(given)) return this.#words(3);
    const schema = this.#resolved(given);
    if ('const' in schema) return schema.const;
    if (Array.isArray(schema.enum)) return this.#pick(schema.enum);
    const choices = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(choices)) {
      const { anyOf: _any, oneOf: _one, ...rest } = schema;
      return this.make(merged(rest, this.#resolved(this.#choose(choices, depth))), depth);
    }
    switch (this.#typeOf(schema, depth)) {
      case 'object':
        return this.#object(schema, depth);
      case 'array':
        return this.#array(schema, depth);
      case 'number':
        return this.#number(schema, false);
      case 'integer':
        return this.#number(schema, true);
      case 'boolean':
        return this.#random() < 0.5;
      case 'null':
        return null;
      default:
        return this.#string(schema);
    }
  }

  /** Follows `$ref`s and puts the members of `allOf` into one schema. */
  #resolved(given: unknown): Schema {
    let schema: Schema = isObject(given) ? given : {};
    for (let hops = 0; typeof schema.$ref === 'string' && hops < 32; hops += 1) {
      const { $ref, ...rest } = schema;
      schema = merged(rest, this.#lookUp(String($ref)));
    }
    if (!Array.isArray(schema.allOf)) return schema;
    const { allOf, ...rest } = schema;
    return allOf.reduce<Schema>((all, part) => merged(all, this.#resolved(part)), rest);
  }

  #lookUp(reference: string): Schema {
    let at: unknown = this.#root;
    for (const part of reference.replace(/^#\/?/, '').split('/')) {
      if (part === '') continue;
      const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      at = isObject(at) ? at[key] : undefined;
    }
    return isObject(at) ? at : {};
  }

  #typeOf(schema: Schema, depth: number): string {
    const { type } = schema;
    if (typeof type === 'string') return type;
    if (Array.isArray(type)) {
      const flat = type.find((name) => name !== 'object' && name !== 'array');
      return String(depth >= DEEP && flat !== undefined ? flat : this.#pick(type));
    }
    if ('properties' in schema || 'additionalProperties' in schema) return 'object';
    if ('items' in schema || 'prefixItems' in schema) return 'array';
    return 'minimum' in schema || 'maximum' in schema ? 'number' : 'string';
  }

  #object(schema: Schema, depth: number): Record<string, unknown> {
    const properties = isObject(schema.properties) ? schema.properties : {};
    const required = new Set(Array.isArray(schema.required) ? schema.required : []);
    const most = numberOr(schema.maxProperties, Infinity);
    const chosen = new Set(required);
    for (const [key, property] of Object.entries(properties)) {
      const wanted = depth < DEEP && chosen.size < most && this.#random() < 0.8;
      if (wanted && property !== false) chosen.add(key);
    }
    const together = isObject(schema.dependentRequired) ? schema.dependentRequired : {};
    for (const key of chosen) {
      const others = Object.hasOwn(together, String(key)) ? together[String(key)] : [];
      // A set goes on to what is added while it is walked.
      if (Array.isArray(others)) for (const other of others) chosen.add(other);
    }
    const made: Record<string, unknown> = {};
    for (const [key, property] of Object.entries(properties)) {
      if (chosen.has(key)) made[key] = this.make(property, depth + 1);
    }
    for (const key of chosen) {
      if (typeof key === 'string' && !Object.hasOwn(made, key)) {
        made[key] = this.make(schema.additionalProperties, depth + 1);
      }
    }
    this.#fill(made, schema, depth);
    return made;
  }

  /** Adds properties that the schema does not name, as many as it asks for. */
  #fill(made: Record<string, unknown>, schema: Schema, depth: number): void {
    const least = Math.min(numberOr(schema.minProperties, 0), MOST_ITEMS);
    const patterns = isObject(schema.patternProperties) ? schema.patternProperties : {};
    const [[pattern, property] = [undefined, schema.additionalProperties]] =
      Object.entries(patterns);
    const names = isObject(schema.propertyNames) ? schema.propertyNames.pattern : undefined;
    const form = typeof names === 'string' ? names : pattern;
    const tries = 20 * least;
    for (let extra = 1; Object.keys(made).length < least && extra <= tries; extra += 1) {
      const name = form === undefined ? undefined : textMatching(form, this.#random);
      made[name ?? `property_${extra}`] = this.make(property, depth + 1);
    }
  }

  #array(schema: Schema, depth: number): unknown[] {
    const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems : [];
    const least = Math.min(numberOr(schema.minItems, 0), MOST_ITEMS);
    const closed = schema.items === false ? prefix.length : Math.max(least, 3);
    const most = Math.min(numberOr(schema.maxItems, closed), closed);
    const some = Math.max(least, Math.min(most, 1 + Math.floor(this.#random() * 3), DEEPEST));
    const length = depth >= DEEP ? least : Math.max(some, Math.min(prefix.length, most));
    const items: unknown[] = [];
    const seen = new Set<string>();
    for (let tries = 0; items.length < length && tries < length * 20; tries += 1) {
      const item = this.make(prefix[items.length] ?? schema.items, depth + 1);
      const key = JSON.stringify(item);
      if (schema.uniqueItems === true && seen.has(key)) continue;
      seen.add(key);
      items.push(item);
    }
    return items;
  }

  #number(schema: Schema, whole: boolean): number {
    const step = numberOr(schema.multipleOf, whole ? 1 : 0.01);
    const above = numberOr(schema.exclusiveMinimum, -Infinity);
    const below = numberOr(schema.exclusiveMaximum, Infinity);
    const least = Math.max(numberOr(schema.minimum, -Infinity), above);
    const most = Math.min(numberOr(schema.maximum, Infinity), below);
    const from = Number.isFinite(least)
      ? least
      : Math.min(0, Number.isFinite(most) ? most - 100 : 0);
    const to = Number.isFinite(most) ? most : from + 100;
    let low = Math.ceil(from / step);
    if (low * step <= above) low += 1;
    let high = Math.floor(to / step);
    if (high * step >= below) high -= 1;
    // A span that no multiple of 0.01 falls into, as between 0.001 and 0.002.
    if (high < low) return whole ? low * step : (from + to) / 2;
    const chosen = (low + Math.floor(this.#random() * (high - low + 1))) * step;
    return Number(chosen.toFixed(10));
  }

  #string(schema: Schema): string {
    const least = numberOr(schema.minLength, 0);
    const most = numberOr(schema.maxLength, Math.max(least, 10_000));
    if (typeof schema.pattern === 'string') {
      const fits = ({ length }: string) => length >= least && length <= most;
      const text = textMatching(schema.pattern, this.#random, fits);
      if (text !== undefined) return text;
    }
    const known = FORMATS[String(schema.format ?? '')];
    if (known !== undefined) return known;
    let text = this.#words(1 + Math.floor(this.#random() * 5));
    while (text.length < Math.min(least, MOST_CHARACTERS)) text += ` ${this.#words(4)}`;
    return text.slice(0, most);
  }

  #choose(choices: readonly unknown[], depth: number): unknown {
    if (depth < DEEP) return this.#pick(choices);
    // The way that leads no deeper, if there is one.
    const flat = choices.find((choice) => {
      const { type, $ref } = isObject(choice) ? choice : { type: 'string', $ref: undefined };
      return $ref === undefined && type !== 'object' && type !== 'array';
    });
    return flat ?? choices[depth % choices.length];
  }

  #words(count: number): string {
    return writeWords(this.#random, count);
  }

  #pick(choices: readonly unknown[]): unknown {
    return choices[Math.floor(this.#random() * choices.length)];
  }
}

/** Two schemas that both hold. Properties are merged one by one, required names are joined. */
function merged(one: Schema, other: Schema): Schema {
  const both: Record<string, unknown> = { ...one, ...other };
  if (isObject(one.properties) && isObject(other.properties)) {
    const properties: Record<string, unknown> = { ...one.properties };
    for (const [key, value] of Object.entries(other.properties)) {
      const there = properties[key];
      properties[key] = isObject(there) && isObject(value) ? merged(there, value) : value;
    }
    both.properties = properties;
  }
  if (Array.isArray(one.enum) && Array.isArray(other.enum)) {
    const known = new Set(other.enum.map((value) => JSON.stringify(value)));
    both.enum = one.enum.filter((value) => known.has(JSON.stringify(value)));
  }
  for (const name of ['minimum', 'minLength', 'minItems'] as const) {
    if (name in one && name in other)
      both[name] = Math.max(numberOr(one[name], 0), numberOr(other[name], 0));
  }
  for (const name of ['maximum', 'maxLength', 'maxItems'] as const) {
    if (name in one && name in other)
      both[name] = Math.min(numberOr(one[name], 0), numberOr(other[name], 0));
  }
  if (Array.isArray(one.required) && Array.isArray(other.required)) {
    both.required = [...new Set([...one.required, ...other.required])];
  }
  return both;
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
