import { createRequire } from 'node:module';
import { errorMessage, UsageError } from '../core/errors.ts';
import type { JsonObject } from './json.ts';

/** Null for a value that follows the schema, else where and how it does not: `/labels/0 must be string`. */
export type SchemaCheck = (value: unknown) => string | null;

/**
 * Compiles a JSON Schema of draft 7, 2019-09 or 2020-12 (the default), by its `$schema`. Formats are
 * annotations. Throws a UsageError for what is no JSON Schema.
 */
export function compileJsonSchema(schema: JsonObject): SchemaCheck {
  const { $schema, ...rest } = schema;
  const Ajv = loadAjv(typeof $schema === 'string' ? $schema : '');
  try {
    const ajv = new Ajv({ strict: false, validateFormats: false, logger: false });
    const validate = ajv.compile(rest);
    return (value) => {
      if (validate(value)) return null;
      const [first] = validate.errors ?? [];
      return `${first?.instancePath || 'the whole'} ${first?.message ?? 'does not follow it'}`;
    };
  } catch (cause) {
    throw new UsageError(`the schema is not a JSON Schema: ${errorMessage(cause)}`, { cause });
  }
}

const require = createRequire(import.meta.url);

/** Loaded when there is a schema: most jobs have none, and it is not small. */
function loadAjv(dialect: string): typeof import('ajv').Ajv {
  if (dialect.includes('draft-07')) return require('ajv').Ajv;
  if (dialect.includes('2019-09')) return require('ajv/dist/2019.js').Ajv2019;
  return require('ajv/dist/2020.js').Ajv2020;
}
