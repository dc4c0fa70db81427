import { loadEncoding } from './encodings.ts';
import { imageTokens } from './images.ts';

type CountText = (text: string) => number;
type Json = Readonly<Record<string, unknown>>;

const PER_MESSAGE = 3;
const PER_NAME = 1;
const REPLY_PRIMING = 3;

// The published rule for functions of the gpt-4o family; gpt-4 and gpt-3.5 begin each with 10.
const FUNCTION_START = { o200k: 7, cl100k: 10 };
const PROPERTIES_START = 3;
const PROPERTY = 3;
const ENUM_START = -3;
const ENUM_ITEM = 3;
const FUNCTIONS_END = 12;

/** What one request costs on the way in. */
export interface PromptSize {
  /** True input tokens. */
  readonly tokens: number;
  /** Characters of its texts. */
  readonly characters: number;
}

/** Counts requests for one model. */
export interface PromptCounter {
  countText(text: string): number;
  /** Of a request to an operation, such as `/chat/completions`. */
  measure(operation: string, body: Json): PromptSize;
}

/** A counter for a base model, or for a deployment named after one. */
export async function promptCounter(model: string): Promise<PromptCounter> {
  const countText = await loadEncoding(model);
  const old = /^gpt-(4$|4-|3)/.test(model);
  const functionStart = old ? FUNCTION_START.cl100k : FUNCTION_START.o200k;
  return {
    countText,
    measure: (operation, body) => new Tally(countText, functionStart, model).body(operation, body),
  };
}

/** Adds up one request. */
class Tally {
  #tokens = 0;
  #characters = 0;
  readonly #count: CountText;
  readonly #functionStart: number;
  readonly #model: string;

  constructor(count: CountText, functionStart: number, model: string) {
    this.#count = count;
    this.#functionStart = functionStart;
    this.#model = model;
  }

  body(operation: string, body: Json): PromptSize {
    if (operation === '/embeddings') this.#texts(body.input);
    else if (operation === '/completions') this.#texts(body.prompt);
    else if (operation === '/responses') this.#responses(body);
    else if (Array.isArray(body.messages)) {
      this.#messages(body.messages);
      this.#tools(body);
    }
    return { tokens: this.#tokens, characters: this.#characters };
  }

  #text(text: string): void {
    this.#characters += text.length;
    this.#tokens += this.#count(text);
  }

  #messages(messages: readonly unknown[]): void {
    for (const message of messages) {
      this.#tokens += PER_MESSAGE;
      if (!isObject(message)) continue;
      for (const [key, value] of Object.entries(message)) {
        if (key === 'name') this.#tokens += PER_NAME;
        if (key === 'role') this.#tokens += this.#count(String(value));
        else if (typeof value === 'string') this.#text(value);
        else if (key === 'content' && Array.isArray(value)) this.#parts(value);
        else if (key === 'tool_calls' && Array.isArray(value)) this.#text(JSON.stringify(value));
      }
    }
    this.#tokens += REPLY_PRIMING;
  }

  #parts(parts: readonly unknown[]): void {
    for (const part of parts) {
      if (!isObject(part)) continue;
      if (typeof part.text === 'string') this.#text(part.text);
      if (typeof part.refusal === 'string') this.#text(part.refusal);
      this.#image(part);
    }
  }

  /** `image_url` of chat is an object with a url; `input_image` of Responses has the url itself. */
  #image(part: Json): void {
    const given = part.image_url;
    const image = typeof given === 'string' ? { url: given, detail: part.detail } : given;
    if (!isObject(image) || typeof image.url !== 'string') return;
    this.#tokens += imageTokens(this.#model, image.url, String(image.detail ?? 'auto'));
  }

  /** Tools, the older `functions`, and a JSON schema, which counts like one more function. */
  #tools(body: Json): void {
    const functions: Json[] = [];
    for (const tool of asArray(body.tools)) {
      if (isObject(tool)) functions.push(isObject(tool.function) ? tool.function : tool);
    }
    for (const fn of asArray(body.functions)) if (isObject(fn)) functions.push(fn);
    const format = body.response_format;
    if (isObject(format) && isObject(format.json_schema)) {
      const { name, description, schema } = format.json_schema;
      functions.push({ name, description, parameters: schema });
    }
    this.#functions(functions);
  }

  #functions(functions: readonly Json[]): void {
    if (functions.length === 0) return;
    for (const fn of functions) {
      this.#tokens += this.#functionStart;
      this.#text(`${fn.name ?? ''}:${withoutStop(fn.description)}`);
      const parameters = fn.parameters;
      const properties = isObject(parameters) ? parameters.properties : undefined;
      if (!isObject(properties) || Object.keys(properties).length === 0) continue;
      this.#tokens += PROPERTIES_START;
      for (const [key, value] of Object.entries(properties)) this.#property(key, value);
    }
    this.#tokens += FUNCTIONS_END;
  }

  #property(key: string, value: unknown): void {
    const property = isObject(value) ? value : {};
    this.#tokens += PROPERTY;
    const choices = asArray(property.enum);
    if (choices.length > 0) {
      this.#tokens += ENUM_START;
      for (const choice of choices) {
        this.#tokens += ENUM_ITEM;
        this.#text(String(choice));
      }
    }
    this.#text(`${key}:${property.type ?? ''}:${withoutStop(property.description)}`);
  }

  #responses(body: Json): void {
    const { input, instructions } = body;
    const messages: unknown[] = [];
    if (typeof instructions === 'string') messages.push({ role: 'system', content: instructions });
    if (typeof input === 'string') messages.push({ role: 'user', content: input });
    else for (const item of asArray(input)) messages.push(withoutType(item));
    this.#messages(messages);
    const text = body.text;
    const format = isObject(text) ? text.format : undefined;
    const schema = isObject(format) && isObject(format.schema) ? [format] : [];
    const tools = asArray(body.tools).filter(isObject);
    this.#functions([
      ...tools,
      ...schema.map(({ name, description, schema: parameters }) => ({
        name,
        description,
        parameters,
      })),
    ]);
  }

  #texts(input: unknown): void {
    if (typeof input === 'string') this.#text(input);
    for (const item of asArray(input)) {
      if (typeof item === 'string') this.#text(item);
      else this.#tokens += Array.isArray(item) ? item.length : 1;
    }
  }
}

function withoutType(item: unknown): unknown {
  if (!isObject(item)) return item;
  const { type: _type, id: _id, status: _status, ...rest } = item;
  return rest;
}

function withoutStop(text: unknown): string {
  return typeof text === 'string' ? text.replace(/\.$/, '') : '';
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
