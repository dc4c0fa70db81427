import type { Endpoint } from '../core/request.ts';
import type { JsonObject } from './json.ts';

// How requests are made, as plain JSON: what a job remembers and what a worker thread or another
// machine loads. A function of the caller's own has no such form; a module has, by its URL.

/** What every kind has. */
interface CommonDefinition {
  /** The deployment's name, written as `model` into every line. */
  readonly model: string;
  /** Default `/chat/completions`. */
  readonly endpoint?: Endpoint | undefined;
  /** The column or dotted path whose value is the `custom_id`. Default: `<job>-<ordinal>`. */
  readonly idField?: string | null | undefined;
  /** Put into every body as they are, such as `{ temperature: 0, max_tokens: 100 }`. */
  readonly parameters?: JsonObject | undefined;
  /** A JSON Schema that the answer must have; bare, or the service's `{ name, schema, strict }`. */
  readonly schema?: JsonObject | undefined;
}

/** How closely a model looks at an image: `auto` by default; which of them a model knows is its own. */
export type ImageDetail = 'low' | 'high' | 'auto' | 'original';

/** Which fields are images: URLs, data URLs or paths of local files; see `imageReader`. */
interface ImageDefinition {
  readonly imageField?: string | readonly string[] | undefined;
}

/** A text template for the user's message, and one for the system's. */
export interface PromptDefinition extends CommonDefinition, ImageDefinition {
  readonly kind: 'prompt';
  readonly prompt: string;
  readonly system?: string | undefined;
  /** Of every image; they are sent behind the prompt. */
  readonly imageDetail?: ImageDetail | undefined;
}

/**
 * A body whose string values are templates. A string that is exactly an image field becomes the
 * image's URL.
 */
export interface BodyDefinition extends CommonDefinition, ImageDefinition {
  readonly kind: 'body';
  readonly body: JsonObject;
}

/** The records are request lines already: `{ custom_id, method, url, body }`. */
export interface BatchDefinition {
  readonly kind: 'batch';
  /** Put in the place of each line's own model. Default: the line's. */
  readonly model?: string | undefined;
  /** The one that every line must name. Default: any. */
  readonly endpoint?: Endpoint | undefined;
}

/** A module whose default export makes the body; see `loadRequestModule`. */
export interface ModuleDefinition extends CommonDefinition {
  readonly kind: 'module';
  /** `file:` URL. */
  readonly url: string;
}

/** What `createRequestBuilder` takes: all that needs no loading. */
export type RequestTemplate = PromptDefinition | BodyDefinition | BatchDefinition;
/** A request as plain data, which a job remembers and another thread or machine can open. */
export type RequestDefinition = RequestTemplate | ModuleDefinition;
