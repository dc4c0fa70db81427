import type { ToolRule } from './models.ts';

/** A function as a model sees it, or a JSON schema that an answer must follow. */
export interface FunctionDefinition {
  readonly name: unknown;
  readonly description?: unknown;
  /** JSON schema. */
  readonly parameters?: unknown;
}

/**
 * Tokens of a set of function definitions: the cookbook's rule, which was measured on flat
 * parameters. Nested schemas are counted by the same rule at every level. An estimate within a few
 * tokens; 0 for no functions.
 */
export function functionTokens(
  functions: readonly FunctionDefinition[],
  rule: ToolRule,
  countText: (text: string) => number,
): number {
  if (functions.length === 0) return 0;
  let sum = rule.funcEnd;
  for (const { name, description, parameters } of functions) {
    sum += rule.funcInit + countText(`${text(name)}:${withoutStop(text(description))}`);
    sum += schemaTokens(parameters);
  }
  return sum;

  function schemaTokens(schema: unknown): number {
    if (!isObject(schema)) return 0;
    let tokens = 0;
    const properties = Object.entries(isObject(schema.properties) ? schema.properties : {});
    if (properties.length > 0) tokens += rule.propInit;
    for (const [key, property] of properties)
      tokens += rule.propKey + propertyTokens(key, property);
    for (const definitions of [schema.$defs, schema.definitions]) {
      if (!isObject(definitions)) continue;
      for (const [key, definition] of Object.entries(definitions)) {
        tokens += rule.propKey + propertyTokens(key, definition);
      }
    }
    for (const branches of [schema.anyOf, schema.oneOf, schema.allOf, schema.prefixItems]) {
      if (!Array.isArray(branches)) continue;
      for (const branch of branches) tokens += enumTokens(branch) + schemaTokens(branch);
    }
    return tokens + enumTokens(schema.items) + schemaTokens(schema.items);
  }

  function propertyTokens(key: string, property: unknown): number {
    if (!isObject(property)) return countText(`${key}:`);
    const type = Array.isArray(property.type) ? property.type.join('|') : text(property.type);
    const line = `${key}:${type}:${withoutStop(text(property.description))}`;
    return countText(line) + enumTokens(property) + schemaTokens(property);
  }

  function enumTokens(schema: unknown): number {
    if (!isObject(schema) || !Array.isArray(schema.enum)) return 0;
    let tokens = rule.enumInit;
    for (const item of schema.enum) tokens += rule.enumItem + countText(String(item));
    return tokens;
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function withoutStop(description: string): string {
  return description.endsWith('.') ? description.slice(0, -1) : description;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
