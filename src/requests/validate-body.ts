import type { Endpoint } from '../core/request.ts';
import { type BodyError, hasUnknown, UNKNOWN, wrong } from './body-error.ts';
import { isObject } from './json.ts';
import { checkResponseFormat, checkTextFormat, checkTools } from './validate-format.ts';

const MAX_MESSAGES = 2048;
/** In one request for embeddings or completions. */
const MAX_TEXTS = 2048;
const DETAILS = new Set(['low', 'high', 'auto', 'original']);
const IMAGE_URL = /^(?:https?:|data:)/i;
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
    checkResponseFormat(body.response_format) ??
    checkTextFormat(body.text) ??
    checkMetadata(body.metadata)
  );
}

type Body = Readonly<Record<string, unknown>>;

const CHECKS: Record<Endpoint, (body: Body) => BodyError | null> = {
  '/chat/completions': (body) => checkMessages(body.messages) ?? checkJsonWord(body),
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
    const error = checkText(part.type, `${at}[${i}].type`) ?? checkPart(part, `${at}[${i}]`);
    if (error !== null) return error;
  }
  return null;
}

function checkPart(part: Body, at: string): BodyError | null {
  switch (part.type) {
    case 'text':
    case 'input_text':
      return typeof part.text === 'string' || part.text === UNKNOWN
        ? null
        : wrong(`${at}.text`, 'must be a string');
    case 'image_url':
      if (part.image_url === UNKNOWN) return null;
      if (!isObject(part.image_url))
        return wrong(`${at}.image_url`, 'must be an object with a url');
      return (
        checkImageUrl(part.image_url.url, `${at}.image_url.url`) ??
        checkDetail(part.image_url.detail, `${at}.image_url.detail`)
      );
    case 'input_image':
      return (
        (part.file_id === undefined ? checkImageUrl(part.image_url, `${at}.image_url`) : null) ??
        checkDetail(part.detail, `${at}.detail`)
      );
    default:
      return null;
  }
}

/** A path reaches this place when a template names a field that `--image-field` does not. */
function checkImageUrl(url: unknown, at: string): BodyError | null {
  if (typeof url !== 'string' || url === '' || IMAGE_URL.test(url)) return checkText(url, at);
  return wrong(at, 'must be an https: or data: URL; --image-field NAME sends a local file');
}

function checkDetail(detail: unknown, at: string): BodyError | null {
  if (detail === undefined || detail === null || detail === UNKNOWN) return null;
  if (typeof detail === 'string' && DETAILS.has(detail)) return null;
  return wrong(at, `must be one of ${[...DETAILS].join(', ')}`);
}

/** What asks for JSON in a message. */
export const JSON_WORD = /json/i;

/** The service refuses to answer in JSON when nothing in the messages asks for it. */
function checkJsonWord({ response_format: format, messages }: Body): BodyError | null {
  if (!isObject(format) || format.type !== 'json_object') return null;
  if (JSON_WORD.test(JSON.stringify(messages) ?? '') || hasUnknown(messages)) return null;
  const what = 'must have the word JSON somewhere, because response_format is a json_object';
  return wrong('body.messages', what);
}

function checkInput(body: Body): BodyError | null {
  const { input } = body;
  if (typeof input === 'string' || input === UNKNOWN) return null;
  // A stored prompt can do without an input.
  if (input === undefined && isObject(body.prompt)) return null;
  if (!Array.isArray(input) || input.length === 0) {
    return wrong('body.input', 'must be a string, or an array with at least one item');
  }
  for (const [index, item] of input.entries()) {
    if (item === UNKNOWN) continue;
    if (!isObject(item)) return wrong(`body.input[${index}]`, 'must be an object');
    if (Array.isArray(item.content)) {
      const error = checkContent(item.content, `body.input[${index}].content`);
      if (error !== null) return error;
    }
  }
  return null;
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
