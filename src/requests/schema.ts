import { UsageError } from '../core/errors.ts';
import type { Endpoint } from '../core/request.ts';
import { isObject, type JsonObject } from './json.ts';
import { compileJsonSchema } from './json-schema.ts';
import { azureDoubts, checkStrict } from './strict-schema.ts';

/** What a schema is called when it has no title. */
const DEFAULT_NAME = 'answer';
const NAME_LENGTH = 64;

/**
 * The parameter that makes the model answer by a JSON Schema: `response_format` for chat,
 * `text.format` for responses. The schema is either the bare one, which is made strict, or the
 * service's own `{ name, schema, strict }`, also as it stands in a body. Throws a UsageError for what strict mode refuses, and for
 * what is no JSON Schema.
 */
export function schemaParameter(endpoint: Endpoint, given: JsonObject): JsonObject {
  if (endpoint !== '/chat/completions' && endpoint !== '/responses') {
    throw new UsageError(`a schema cannot be used with ${endpoint}: it shapes the text of a chat`);
  }
  const format = named(given);
  if (format.strict) checkStrict(format.schema);
  compileJsonSchema(format.schema);
  return endpoint === '/chat/completions'
    ? { response_format: { type: 'json_schema', json_schema: format } }
    : { text: { format: { type: 'json_schema', ...format } } };
}

/**
 * The parameters with the one of the schema, if there is a schema. Throws a UsageError where a format
 * of the answer stands among them already.
 */
export function withSchema(
  schema: JsonObject | undefined,
  endpoint: Endpoint,
  parameters: JsonObject = {},
): JsonObject {
  if (schema === undefined) return parameters;
  const added = schemaParameter(endpoint, schema);
  refuseSecondFormat(endpoint, parameters);
  // `text` of /responses has more than a format: the rest of it is kept.
  const { text } = parameters;
  return isObject(text) && isObject(added.text)
    ? { ...parameters, text: { ...text, ...added.text } as JsonObject }
    : { ...parameters, ...added };
}

/** Throws a UsageError when these keys of a body shape the answer already, beside a schema. */
export function refuseSecondFormat(endpoint: Endpoint, body: JsonObject): void {
  const { text, response_format: format } = body;
  const second = endpoint === '/responses' ? isObject(text) && text.format : format;
  if (second === undefined || second === false) return;
  const name = endpoint === '/responses' ? 'text.format' : 'response_format';
  throw new UsageError(`a schema and the parameter ${name} cannot be given together; choose one`);
}

interface NamedSchema extends JsonObject {
  name: string;
  strict: boolean;
  schema: JsonObject;
}

/** What Azure may refuse of a schema that is good otherwise, in words for the user. */
export function schemaDoubts(given: JsonObject): string[] {
  const { strict, schema } = named(given);
  return strict ? azureDoubts(checkStrict(schema)) : [];
}

/** The JSON Schema itself, of whatever is taken as a schema. */
export function bareSchema(given: JsonObject): JsonObject {
  return named(given).schema;
}

function named(given: JsonObject): NamedSchema {
  if (!isObject(given)) throw new UsageError('the schema must be a JSON object');
  const { type, json_schema: inner } = given;
  if (type === 'json_schema' && isObject(inner)) return named(inner as JsonObject);
  const { name, schema, strict, ...rest } = given;
  if (typeof name === 'string' && isObject(schema)) {
    if (type === 'json_schema') delete rest.type;
    return { name, strict: strict !== false, schema: schema as JsonObject, ...rest };
  }
  const title = typeof given.title === 'string' ? given.title : DEFAULT_NAME;
  const safe = title.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, NAME_LENGTH);
  return { name: safe === '' ? DEFAULT_NAME : safe, strict: true, schema: given };
}
