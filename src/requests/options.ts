import type { Endpoint } from '../core/request.ts';
import type { StandardSchema } from '../core/standard-schema.ts';
import type { ImageDetail } from './definition.ts';
import type { JsonObject } from './json.ts';

/** A message of a chat, as the service takes it. */
export interface ChatMessage {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  /** Text, or parts such as `{ type: 'image_url', image_url: { url } }`. */
  readonly content?: string | readonly ContentPart[];
  readonly name?: string;
  readonly tool_calls?: readonly unknown[];
  readonly tool_call_id?: string;
}

/** A part of a message: text, an image, audio or a file, as the service takes it. */
export interface ContentPart {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** Parameters that may stand beside the rest; others go into `parameters`. */
export interface CommonParameters {
  readonly temperature?: number;
  readonly top_p?: number;
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly max_output_tokens?: number;
  readonly seed?: number;
  readonly stop?: string | readonly string[];
  readonly response_format?: JsonObject;
  readonly tools?: readonly JsonObject[];
  readonly tool_choice?: string | JsonObject;
  readonly reasoning_effort?: string;
}

type Awaitable<T> = T | Promise<T>;

interface BaseOptions<T> extends CommonParameters {
  /** The deployment's name, written as `model` into every line. */
  readonly model: string;
  /** Default `/chat/completions`. */
  readonly endpoint?: Endpoint;
  /** The record's own id, unique in a file. Default: `<job>-<ordinal>`. `(r) => r.sku` */
  readonly customId?: (record: T) => string | number;
  /** The column or dotted path whose value is the id; not together with `customId`. */
  readonly idField?: string;
  /** Put into every body as they are. */
  readonly parameters?: JsonObject;
  /**
   * What every answer must be: a JSON Schema (made strict), or a schema of a library that speaks
   * Standard Schema and tells its JSON Schema, such as Zod: `z.object({ label: z.string() })`.
   */
  readonly schema?: JsonObject | StandardSchema;
}

/** A function that writes the messages of a chat. `(r) => [{ role: 'user', content: r.text }]` */
export interface MessagesOptions<T> extends BaseOptions<T> {
  readonly messages: (record: T) => Awaitable<readonly ChatMessage[]>;
}

/** Templates with `{{field}}`. */
export interface PromptOptions<T> extends BaseOptions<T> {
  /** `'Label: {{text}}'` */
  readonly prompt: string;
  readonly system?: string;
  /**
   * The field with an image, or several: a URL, a data URL, the path of a local file (from the
   * source's folder), or an array of them. Empty ones are left out.
   */
  readonly imageField?: string | readonly string[];
  /** How closely the model looks at the images. Default: the service's, `auto`. */
  readonly imageDetail?: ImageDetail;
}

/** The whole body: a function, or a JSON object whose string values are templates. */
export interface BodyOptions<T> extends BaseOptions<T> {
  readonly body: JsonObject | ((record: T) => Awaitable<object>);
  /** Of a JSON body: fields with one image each, as of a prompt; `{{field}}` stands for its URL. */
  readonly imageField?: string | readonly string[];
}

/** How `buildRequests` makes a request of a record: by exactly one of messages, prompt and body. */
export type RequestOptions<T> = MessagesOptions<T> | PromptOptions<T> | BodyOptions<T>;
