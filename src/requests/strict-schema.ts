import { UsageError } from '../core/errors.ts';
import { isObject } from './json.ts';

// What strict structured outputs take of JSON Schema, by OpenAI's guide of late 2026. Azure's guide
// says that it takes the same, and gives lower numbers for some: they are told, not enforced.

const MAX_LEVELS = 10;
const AZURE_LEVELS = 5;
const MAX_PROPERTIES = 5000;
const AZURE_PROPERTIES = 100;
const MAX_ENUM_VALUES = 1000;
/** Characters of all names of properties and definitions, enum values and constants. */
const MAX_NAME_CHARACTERS = 120_000;
/** From this many values on, the characters of one enum are limited too. */
const LARGE_ENUM_VALUES = 250;
const MAX_LARGE_ENUM_CHARACTERS = 15_000;

const REFUSED_KEYWORDS = [
  'allOf',
  'oneOf',
  'not',
  'if',
  'then',
  'else',
  'default',
  'dependencies',
  'dependentRequired',
  'dependentSchemas',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'prefixItems',
  'contains',
  'minContains',
  'maxContains',
  'uniqueItems',
];

/** One of them tells what a value may be. */
const TYPE_KEYWORDS = ['type', 'anyOf', '$ref', 'enum', 'const'];

/** How large a schema is, where the services' guides differ. */
export interface SchemaSize {
  /** Of objects in objects. */
  readonly levels: number;
  readonly properties: number;
}

/** Where a schema that OpenAI takes is larger than Azure's guide says, in words for the user. */
export function azureDoubts({ levels, properties }: SchemaSize): string[] {
  const doubts: string[] = [];
  const doubt = (count: number, what: string, limit: number) => {
    if (count <= limit) return;
    doubts.push(`the schema has ${count} ${what}; Azure's guide says that it takes ${limit}`);
  };
  doubt(levels, 'levels of objects', AZURE_LEVELS);
  doubt(properties, 'properties', AZURE_PROPERTIES);
  return doubts;
}

/** Throws a UsageError for what strict mode refuses, with its path in the schema. */
export function checkStrict(schema: unknown): SchemaSize {
  if (!isObject(schema) || schema.type !== 'object') {
    throw new UsageError('the schema must be of type "object" at its root: strict mode wants it');
  }
  if (schema.anyOf !== undefined) {
    throw new UsageError('the schema must not have "anyOf" at its root: strict mode refuses it');
  }
  return new StrictCheck(schema).all();
}

class StrictCheck {
  readonly #root: Record<string, unknown>;
  #properties = 0;
  #levels = 0;
  #enumValues = 0;
  #nameCharacters = 0;

  constructor(root: Record<string, unknown>) {
    this.#root = root;
  }

  all(): SchemaSize {
    this.#schema(this.#root, '#', 0);
    most('properties', this.#properties, MAX_PROPERTIES);
    most('enum values', this.#enumValues, MAX_ENUM_VALUES);
    most('characters of names and values', this.#nameCharacters, MAX_NAME_CHARACTERS);
    return { levels: this.#levels, properties: this.#properties };
  }

  #schema(schema: unknown, where: string, outerLevel: number): void {
    if (!isObject(schema)) refuse(where, 'must be an object, not true or false');
    const keyword = REFUSED_KEYWORDS.find((key) => Object.hasOwn(schema, key));
    if (keyword !== undefined) refuse(`${where}/${keyword}`, 'is a keyword that is not taken');
    if (!TYPE_KEYWORDS.some((key) => Object.hasOwn(schema, key))) {
      refuse(where, `must say what it is by one of ${TYPE_KEYWORDS.join(', ')}`);
    }
    let level = outerLevel;
    if (typesOf(schema).includes('object') || isObject(schema.properties)) {
      level++;
      this.#levels = Math.max(this.#levels, level);
      if (level > MAX_LEVELS) refuse(where, `lies deeper than ${MAX_LEVELS} levels of objects`);
      this.#object(schema, where, level);
    }
    if (typesOf(schema).includes('array') && schema.items === undefined) {
      refuse(where, 'is an array and must say its "items"');
    }
    if (schema.items !== undefined) this.#schema(schema.items, `${where}/items`, level);
    this.#branches(schema.anyOf, `${where}/anyOf`, level);
    for (const key of ['$defs', 'definitions']) this.#named(schema[key], `${where}/${key}`, 0);
    this.#enum(schema.enum, `${where}/enum`);
    if (typeof schema.const === 'string') this.#nameCharacters += schema.const.length;
    if (schema.$ref !== undefined) this.#reference(schema.$ref, `${where}/$ref`);
  }

  #object(schema: Record<string, unknown>, where: string, level: number): void {
    if (schema.additionalProperties !== false) {
      refuse(where, 'needs "additionalProperties": false');
    }
    const names = Object.keys(isObject(schema.properties) ? schema.properties : {});
    const required: readonly unknown[] = Array.isArray(schema.required) ? schema.required : [];
    const missing = names.find((name) => !required.includes(name));
    if (missing !== undefined) {
      refuse(
        where,
        `must list "${missing}" as required, as every property; a type of ["string", "null"] makes one optional`,
      );
    }
    const unknown = required.find((name) => !names.includes(String(name)));
    if (unknown !== undefined) {
      refuse(`${where}/required`, `names "${unknown}", which is none of the properties`);
    }
    this.#properties += names.length;
    this.#named(schema.properties, `${where}/properties`, level);
  }

  #named(schemas: unknown, where: string, level: number): void {
    if (!isObject(schemas)) return;
    for (const [name, schema] of Object.entries(schemas)) {
      this.#nameCharacters += name.length;
      this.#schema(schema, `${where}/${pointer(name)}`, level);
    }
  }

  #branches(branches: unknown, where: string, level: number): void {
    if (branches === undefined) return;
    if (!Array.isArray(branches) || branches.length === 0) {
      refuse(where, 'must be a list of schemas that is not empty');
    }
    for (const [index, branch] of branches.entries()) {
      this.#schema(branch, `${where}/${index}`, level);
    }
  }

  #enum(values: unknown, where: string): void {
    if (values === undefined) return;
    if (!Array.isArray(values) || values.length === 0) {
      refuse(where, 'must be a list of values that is not empty');
    }
    let characters = 0;
    for (const value of values) if (typeof value === 'string') characters += value.length;
    this.#enumValues += values.length;
    this.#nameCharacters += characters;
    if (values.length > LARGE_ENUM_VALUES && characters > MAX_LARGE_ENUM_CHARACTERS) {
      refuse(
        where,
        `has ${values.length} values of ${characters} characters; above ${LARGE_ENUM_VALUES} values they may have ${MAX_LARGE_ENUM_CHARACTERS}`,
      );
    }
  }

  #reference(reference: unknown, where: string): void {
    const steps = typeof reference === 'string' ? reference.split('/') : [];
    if (steps[0] !== '#') refuse(where, 'must point into this schema: "#/$defs/name"');
    let found: unknown = this.#root;
    for (const step of steps.slice(1)) {
      const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
      found = typeof found === 'object' ? (found as Record<string, unknown> | null)?.[key] : null;
    }
    if (!isObject(found)) refuse(where, `points to ${reference}, where there is nothing`);
  }
}

function typesOf({ type }: Record<string, unknown>): readonly unknown[] {
  return Array.isArray(type) ? type : [type];
}

function pointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function refuse(where: string, what: string): never {
  throw new UsageError(`the schema at ${where} ${what}: strict structured outputs want it so`);
}

function most(what: string, count: number, limit: number): void {
  if (count <= limit) return;
  throw new UsageError(
    `the schema has ${count} ${what}; strict structured outputs take ${limit} in all`,
  );
}
