import { errorMessage, UsageError } from '../core/errors.ts';
import { isStandardSchema, type StandardSchema } from '../core/standard-schema.ts';
import { isObject, type JsonObject } from './json.ts';

/** A schema as plain data: a JSON Schema as it is, a Standard Schema by its JSON Schema form. */
export function plainSchema(
  schema: JsonObject | StandardSchema | undefined,
): JsonObject | undefined {
  return schema !== undefined && isStandardSchema(schema)
    ? jsonSchemaOf(schema)
    : (schema as JsonObject | undefined);
}

/** The schema as an object that checks values, or null for one that is plain data. */
export function standardOf(schema: unknown): StandardSchema | null {
  return isStandardSchema(schema) ? schema : null;
}

/**
 * The JSON Schema of what a Standard Schema takes. Objects that it leaves open are closed, as strict
 * mode wants it and as such libraries mean it. Throws a UsageError when there is no such form.
 */
function jsonSchemaOf(schema: StandardSchema): JsonObject {
  const { vendor, jsonSchema } = schema['~standard'];
  if (jsonSchema === undefined) {
    throw new UsageError(
      `this schema of ${vendor} does not tell its JSON Schema (~standard.jsonSchema): ` +
        'take a version of the library that does, or give the JSON Schema itself',
    );
  }
  try {
    const { $schema: _, ...form } = jsonSchema.input({ target: 'draft-2020-12' });
    return closed(form) as JsonObject;
  } catch (cause) {
    throw new UsageError(`the schema has no JSON Schema form: ${errorMessage(cause)}`, { cause });
  }
}

function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (!isObject(value)) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, closed(item)]));
  if (copy.type === 'object' && isObject(copy.properties)) copy.additionalProperties ??= false;
  // What every JSON number here fulfils only costs tokens, and some services refuse the keyword.
  if (copy.minimum === Number.MIN_SAFE_INTEGER) delete copy.minimum;
  if (copy.maximum === Number.MAX_SAFE_INTEGER) delete copy.maximum;
  return copy;
}
