import type { Endpoint, RequestBody } from '../core/request.ts';
import { type FunctionDefinition, functionTokens } from './functions.ts';
import { dataUrlSize, type ImageSize } from './image-size.ts';
import { imageTokens } from './images.ts';
import type { ChatRule, ImageRule, ModelTable, ToolRule } from './models.ts';

/** All that the rules of one model need. */
export interface RequestRules {
  readonly table: ModelTable;
  readonly chat: ChatRule;
  readonly tools: ToolRule;
  readonly image: ImageRule;
  /** Taken for an image whose size cannot be seen; null for the worst case. */
  readonly imageSize: ImageSize | null;
  countText(text: string): number;
}

type Dictionary = Record<string, unknown>;

/**
 * Input tokens of one request. Text is exact; tools and schemas are within a few tokens. Audio and
 * attached files cannot be counted from here and add nothing. A body of the wrong shape counts as
 * far as it can be read: judging it is the work of validation.
 */
export function requestTokens(endpoint: Endpoint, body: RequestBody, rules: RequestRules): number {
  switch (endpoint) {
    case '/chat/completions':
      return chatTokens(body, rules);
    case '/responses':
      return responsesTokens(body, rules);
    case '/embeddings':
      return textTokens(body.input, rules);
    case '/completions':
      return textTokens(body.prompt, rules) + textTokens(body.suffix, rules);
  }
}

function chatTokens(body: RequestBody, rules: RequestRules): number {
  let sum = rules.chat.replyPriming;
  for (const message of objects(body.messages)) sum += messageTokens(message, rules);
  const functions = objects(body.functions).map(definition);
  for (const tool of objects(body.tools)) {
    functions.push(definition(isObject(tool.function) ? tool.function : tool));
  }
  const format = body.response_format;
  if (isObject(format) && isObject(format.json_schema)) {
    functions.push(schemaFunction(format.json_schema));
  }
  return sum + functionTokens(functions, rules.tools, rules.countText);
}

function responsesTokens(body: RequestBody, rules: RequestRules): number {
  let sum = rules.chat.replyPriming;
  if (typeof body.instructions === 'string') {
    sum += messageTokens({ role: 'system', content: body.instructions }, rules);
  }
  if (typeof body.input === 'string') {
    sum += messageTokens({ role: 'user', content: body.input }, rules);
  }
  for (const item of objects(body.input)) sum += messageTokens(item, rules);
  const functions = objects(body.tools).map(definition);
  const format = isObject(body.text) ? body.text.format : undefined;
  if (isObject(format) && isObject(format.schema)) functions.push(schemaFunction(format));
  return sum + functionTokens(functions, rules.tools, rules.countText);
}

/** A text, texts, or what the caller encoded already. */
function textTokens(input: unknown, rules: RequestRules): number {
  if (typeof input === 'string') return rules.countText(input);
  let sum = 0;
  for (const item of Array.isArray(input) ? input : []) {
    // A number is a token that the caller encoded already.
    if (typeof item === 'number') sum += 1;
    else if (typeof item === 'string') sum += rules.countText(item);
    else if (Array.isArray(item)) sum += item.length;
  }
  return sum;
}

/** A chat message or an item of a response's input: both are counted as every text in them. */
function messageTokens(message: Dictionary, rules: RequestRules): number {
  let sum = rules.chat.perMessage;
  for (const [key, value] of Object.entries(message)) {
    if (!isItemKey(key, message)) continue;
    if (typeof value === 'string') {
      sum += rules.countText(value);
      if (key === 'name' && 'role' in message) sum += rules.chat.perName;
    } else if (Array.isArray(value)) {
      for (const part of objects(value)) sum += partTokens(part, rules);
    } else if (isObject(value)) {
      sum += partTokens(value, rules);
    }
  }
  return sum;
}

/** An input item's own type, id and state are not a text that the model reads. */
function isItemKey(key: string, message: Dictionary): boolean {
  return !('type' in message) || !['type', 'id', 'status', 'encrypted_content'].includes(key);
}

function partTokens(part: Dictionary, rules: RequestRules): number {
  if (part.type === 'image_url' || part.type === 'input_image') return imagePart(part, rules);
  let sum = 0;
  for (const [key, value] of Object.entries(part)) {
    if (typeof value === 'string') {
      if (TEXT_KEYS.has(key)) sum += rules.countText(value);
    } else if (key === 'function' && isObject(value)) {
      sum += rules.chat.perMessage + partTokens(value, rules);
    }
  }
  return sum;
}

/** The keys of content parts and tool calls that hold what the model reads. */
const TEXT_KEYS = new Set(['text', 'refusal', 'name', 'arguments', 'input', 'output']);

function imagePart(part: Dictionary, rules: RequestRules): number {
  const image = isObject(part.image_url) ? part.image_url : part;
  const url = isObject(part.image_url) ? part.image_url.url : part.image_url;
  const detail = typeof image.detail === 'string' ? image.detail : 'auto';
  const size = typeof url === 'string' ? dataUrlSize(url) : null;
  return imageTokens(rules.image, rules.table, detail, size ?? rules.imageSize);
}

function definition(tool: Dictionary): FunctionDefinition {
  return { name: tool.name, description: tool.description, parameters: tool.parameters };
}

function schemaFunction(format: Dictionary): FunctionDefinition {
  return { name: format.name, description: format.description, parameters: format.schema };
}

function objects(value: unknown): Dictionary[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function isObject(value: unknown): value is Dictionary {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
