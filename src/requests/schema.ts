import { UsageError } from '../core/errors.ts';
import type { Endpoint } from '../core/request.ts';
import { isObject, type JsonObject, type JsonValue } from './json.ts';

/** What a schema is called when it has no title. */
const DEFAULT_NAME = 'answer';
const NAME_LENGTH = 64;

/**
 * The parameter that makes the model answer by a JSON Schema: `response_format` for chat,
 * `text.format` for responses. The schema is either the bare one, which is made strict, or the
 * service's own `{ name, schema, strict }`. Throws a UsageError for what strict mode refuses.
 */
export function schemaParameter(endpoint: Endpoint, given: JsonObject): JsonObject {
  if (endpoint === '/embeddings') {
    throw new UsageError('a schema cannot be used with /embeddings: there is no text to shape');
  }
  const format = named(given);
  if (format.strict === true) checkStrict(format.schema, '#');
  return endpoint === '/chat/completions'
    ? { response_format: { type: 'json_schema', json_schema: format } }
    : { text: { format: { type: 'json_schema', ...format } } };
}

interface NamedSchema extends JsonObject {
  name: string;
  strict: boolean;
  schema: JsonObject;
}

function named(given: JsonObject): NamedSchema {
  const { name, schema, strict, ...rest } = given;
  if (typeof name === 'string' && isObject(schema)) {
    return { name, strict: strict !== false, schema: schema as JsonObject, ...rest };
  }
  const title = typeof given.title === 'string' ? given.title : DEFAULT_NAME;
  const safe = title.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, NAME_LENGTH);
  return { name: safe === '' ? DEFAULT_NAME : safe, strict: true, schema: given };
}

/** Strict mode wants every object closed and every property required. */
function checkStrict(schema: JsonValue | undefined, where: string): void {
  if (Array.isArray(schema)) {
    schema.forEach((item, index) => {
      checkStrict(item, `${where}/${index}`);
    });
    return;
  }
  if (!isObject(schema)) return;
  const properties = schema.properties;
  if (where === '#' && schema.type !== 'object') {
    throw new UsageError('the schema must be of type "object" at its root: strict mode wants it');
  }
  if (schema.type === 'object' || isObject(properties)) {
    if (schema.additionalProperties !== false) {
      throw new UsageError(
        `the schema's object at ${where} needs "additionalProperties": false: strict mode wants it`,
      );
    }
    const required = Array.isArray(schema.required) ? schema.required : [];
    const missing = Object.keys(properties ?? {}).find((key) => !required.includes(key));
    if (missing !== undefined) {
      throw new UsageError(
        `the schema's object at ${where} must list "${missing}" as required: strict mode wants ` +
          'every property; a type of ["string", "null"] makes one optional',
      );
    }
  }
  for (const key of SUBSCHEMAS) checkStrict(schema[key] as JsonValue, `${where}/${key}`);
  for (const key of SUBSCHEMA_MAPS) {
    const map = schema[key];
    if (!isObject(map)) continue;
    for (const [name, item] of Object.entries(map)) {
      checkStrict(item as JsonValue, `${where}/${key}/${name}`);
    }
  }
}

const SUBSCHEMAS = ['items', 'anyOf', 'allOf', 'oneOf', 'prefixItems'];
const SUBSCHEMA_MAPS = ['properties', '$defs', 'definitions'];
