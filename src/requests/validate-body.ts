import type { Endpoint } from '../core/request.ts';
import { isObject } from './json.ts';

/** What is wrong with a request, in the service's own code and words' sense. */
export interface BodyError {
  readonly code: 'invalid_request';
  /** Never holds text of the request. */
  readonly message: string;
  /** Where, as the service writes it: `body.messages[0].content`. */
  readonly param: string;
}

/** Stands for a value that is only known with a record; it is taken to be right. */
export const UNKNOWN: unique symbol = Symbol('known with a record');

const MAX_MESSAGES = 2048;
const MAX_TOOLS = 128;
/** In one request for embeddings or completions. */
const MAX_TEXTS = 2048;
const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function']);

/**
 * Finds what the service would refuse in a body, before it is sent: one bad line fails the whole
 * file there. Null when nothing is found. It is not a full schema: parameters that a model may or
 * may not know pass.
 */
export function validateRequestBody(endpoint: Endpoint, body: unknown): BodyError | null {
  if (!isObject(body)) return wrong('body', 'must be an object');
  return (
    checkText(body.model, 'body.model') ??
    CHECKS[endpoint](body) ??
    checkStream(body.stream) ??
    checkTools(body.tools) ??
    checkMetadata(body.metadata)
  );
}

type Body = Readonly<Record<string, unknown>>;

const CHECKS: Record<Endpoint, (body: Body) => BodyError | null> = {
  '/chat/completions': (body) => checkMessages(body.messages),
  '/responses': (body) => checkInput(body),
  '/embeddings': (body) => checkTexts(body.input, 'body.input'),
  '/completions': (body) => checkTexts(body.prompt, 'body.prompt'),
};

function checkMessages(messages: unknown): BodyError | null {
  const at = 'body.messages';
  if (messages === UNKNOWN) return null;
  if (!Array.isArray(messages) || messages.length === 0) {
    return wrong(at, 'must be an array with at least one message');
  }
  if (messages.length > MAX_MESSAGES) {
    return wrong(at, `must not have more than ${MAX_MESSAGES} messages`);
  }
  for (let i = 0; i < messages.length; i++) {
    const error = checkMessage(messages[i], `${at}[${i}]`);
    if (error !== null) return error;
  }
  return null;
}

function checkMessage(message: unknown, at: string): BodyError | null {
  if (message === UNKNOWN) return null;
  if (!isObject(message)) return wrong(at, 'must be an object with a role and a content');
  const { role, content } = message;
  if (role !== UNKNOWN && (typeof role !== 'string' || !ROLES.has(role))) {
    return wrong(`${at}.role`, `must be one of ${[...ROLES].join(', ')}`);
  }
  if (content === null) {
    return wrong(`${at}.content`, 'must not be null: the service refuses it; use an empty string');
  }
  if (content === undefined && role === 'assistant' && message.tool_calls !== undefined) {
    return null;
  }
  return checkContent(content, `${at}.content`);
}

function checkContent(content: unknown, at: string): BodyError | null {
  if (typeof content === 'string' || content === UNKNOWN) return null;
  if (!Array.isArray(content) || content.length === 0) {
    return wrong(at, 'must be a string, or an array with at least one part');
  }
  for (let i = 0; i < content.length; i++) {
    const part: unknown = content[i];
    if (part === UNKNOWN) continue;
    if (!isObject(part)) return wrong(`${at}[${i}]`, 'must be an object with a type');
    const error = checkText(part.type, `${at}[${i}].type`);
    if (error !== null) return error;
  }
  return null;
}

function checkInput(body: Body): BodyError | null {
  const { input } = body;
  if (typeof input === 'string' || input === UNKNOWN) return null;
  // A stored prompt can do without an input.
  if (input === undefined && isObject(body.prompt)) return null;
  if (!Array.isArray(input) || input.length === 0) {
    return wrong('body.input', 'must be a string, or an array with at least one item');
  }
  const bad = input.findIndex((item: unknown) => item !== UNKNOWN && !isObject(item));
  return bad === -1 ? null : wrong(`body.input[${bad}]`, 'must be an object');
}

/** Texts, or texts that are encoded as tokens already. */
function checkTexts(input: unknown, at: string): BodyError | null {
  if ((typeof input === 'string' && input !== '') || input === UNKNOWN) return null;
  if (!Array.isArray(input) || input.length === 0) {
    return wrong(at, 'must be a string that is not empty, or an array of such');
  }
  if (input.length > MAX_TEXTS && typeof input[0] !== 'number') {
    return wrong(at, `must not have more than ${MAX_TEXTS} texts`);
  }
  const bad = input.findIndex((item: unknown) => {
    if (item === UNKNOWN || typeof item === 'number') return false;
    return typeof item === 'string' ? item === '' : !Array.isArray(item) || item.length === 0;
  });
  return bad === -1 ? null : wrong(`${at}[${bad}]`, 'must not be empty');
}

function checkStream(stream: unknown): BodyError | null {
  return stream === true ? wrong('body.stream', 'must not be true in a batch') : null;
}

function checkTools(tools: unknown): BodyError | null {
  if (tools === undefined || tools === UNKNOWN) return null;
  if (!Array.isArray(tools)) return wrong('body.tools', 'must be an array');
  return tools.length > MAX_TOOLS ? wrong('body.tools', `must not be over ${MAX_TOOLS}`) : null;
}

function checkMetadata(metadata: unknown): BodyError | null {
  if (metadata === undefined || metadata === null || metadata === UNKNOWN) return null;
  if (!isObject(metadata)) return wrong('body.metadata', 'must be an object of strings');
  for (const value of Object.values(metadata)) {
    if (typeof value !== 'string' && value !== UNKNOWN) {
      return wrong('body.metadata', 'must have only strings as values');
    }
  }
  return null;
}

function checkText(value: unknown, at: string): BodyError | null {
  if ((typeof value === 'string' && value !== '') || value === UNKNOWN) return null;
  return wrong(at, 'must be a string that is not empty');
}

function wrong(param: string, what: string): BodyError {
  return { code: 'invalid_request', message: `${param} ${what}`, param };
}
