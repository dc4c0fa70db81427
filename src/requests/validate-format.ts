import { errorMessage } from '../core/errors.ts';
import { type BodyError, hasUnknown, UNKNOWN, wrong } from './body-error.ts';
import { isObject } from './json.ts';
import { checkStrict } from './strict-schema.ts';

const MAX_TOOLS = 128;
/** Names of functions and of schemas. */
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const FORMATS = ['text', 'json_object', 'json_schema', 'grammar', 'python'];

/** Parts of bodies that were looked at: those of a template are the same in every request. */
const sound = new WeakSet<object>();

/** What the service would refuse of `tools`, in chat as in responses. */
export function checkTools(tools: unknown): BodyError | null {
  if (tools === undefined || tools === null || tools === UNKNOWN) return null;
  if (!Array.isArray(tools)) return wrong('body.tools', 'must be an array');
  if (tools.length > MAX_TOOLS) return wrong('body.tools', `must not be over ${MAX_TOOLS}`);
  return once(tools, () => {
    for (const [index, tool] of tools.entries()) {
      const error = checkTool(tool, `body.tools[${index}]`);
      if (error !== null) return error;
    }
    return null;
  });
}

function checkTool(tool: unknown, at: string): BodyError | null {
  if (hasUnknown(tool)) return null;
  if (!isObject(tool) || typeof tool.type !== 'string') {
    return wrong(at, 'must be an object with a type');
  }
  if (tool.type !== 'function') return null;
  // Chat has the function one level deeper than Responses.
  const inner = isObject(tool.function);
  const definition = inner ? (tool.function as Record<string, unknown>) : tool;
  const where = inner ? `${at}.function` : at;
  if (typeof definition.name !== 'string' || !NAME.test(definition.name)) {
    return wrong(`${where}.name`, 'must be 1 to 64 of a-z, A-Z, 0-9, _ and -');
  }
  return definition.strict === true && definition.parameters !== undefined
    ? checkSchema(definition.parameters, `${where}.parameters`)
    : null;
}

/** What the service would refuse of chat's `response_format`. */
export function checkResponseFormat(format: unknown): BodyError | null {
  const at = 'body.response_format';
  return checkFormat(format, at, (given) => [given.json_schema, `${at}.json_schema`]);
}

/** What the service would refuse of `text.format` of responses. */
export function checkTextFormat(text: unknown): BodyError | null {
  if (text === undefined || text === null || text === UNKNOWN) return null;
  if (!isObject(text)) return wrong('body.text', 'must be an object');
  const at = 'body.text.format';
  return checkFormat(text.format, at, (given) => [given, at]);
}

function checkFormat(
  format: unknown,
  at: string,
  holderOf: (format: Record<string, unknown>) => [holder: unknown, at: string],
): BodyError | null {
  if (format === undefined || format === null || hasUnknown(format)) return null;
  if (!isObject(format)) return wrong(at, 'must be an object with a type');
  return once(format, () => {
    if (!FORMATS.includes(format.type as string)) {
      return wrong(`${at}.type`, `must be one of ${FORMATS.join(', ')}`);
    }
    if (format.type !== 'json_schema') return null;
    const [holder, where] = holderOf(format);
    if (!isObject(holder)) return wrong(where, 'must be an object with a name and a schema');
    if (typeof holder.name !== 'string' || !NAME.test(holder.name)) {
      return wrong(`${where}.name`, 'must be 1 to 64 of a-z, A-Z, 0-9, _ and -');
    }
    return holder.strict === true ? checkSchema(holder.schema, `${where}.schema`) : null;
  });
}

function checkSchema(schema: unknown, at: string): BodyError | null {
  try {
    checkStrict(schema);
    return null;
  } catch (error) {
    return wrong(at, `is not taken: ${errorMessage(error)}`);
  }
}

function once(part: object, check: () => BodyError | null): BodyError | null {
  if (sound.has(part)) return null;
  const error = check();
  if (error === null) sound.add(part);
  return error;
}
