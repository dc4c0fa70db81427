import { UsageError } from '../core/errors.ts';
import type { Endpoint } from '../core/request.ts';
import { UNKNOWN } from './body-error.ts';
import type { BodyDefinition, ImageDetail, PromptDefinition } from './definition.ts';
import { fieldReader, UnusableField } from './field-path.ts';
import { imageReader, singleImageReader } from './images/image-field.ts';
import { isObject, type JsonObject } from './json.ts';
import { refuseSecondFormat, withSchema } from './schema.ts';
import { compileJson, compileTemplate, type JsonTemplate, type ReaderOf } from './template.ts';
import { validateRequestBody } from './validate-body.ts';

type Declared = PromptDefinition | BodyDefinition;

/**
 * Compiles a declared request to a function from a record to a body, its model first. Throws a
 * UsageError when no record could make it valid.
 */
export function compileBody(definition: Declared, endpoint: Endpoint): JsonTemplate {
  const { model, parameters = {} } = definition;
  for (const key of ['model', ...OWN_KEYS[endpoint]]) {
    if (Object.hasOwn(parameters, key) && (definition.kind === 'prompt' || key === 'model')) {
      throw new UsageError(
        `the parameter ${key} is set already by the request itself; leave it out`,
      );
    }
  }
  if (definition.kind === 'body' && definition.schema !== undefined) {
    refuseSecondFormat(endpoint, definition.body);
  }
  const compile = (readerOf: ReaderOf): JsonTemplate => {
    const own = compileOwn(definition, endpoint, readerOf);
    const rest = withSchema(definition.schema, endpoint, parameters);
    return {
      fields: own.fields,
      render(record, source) {
        const body = own.render(record, source);
        if (body instanceof UnusableField) return body;
        return { model, ...mergeText(body as Record<string, unknown>, rest) };
      },
    };
  };
  // Every field stands for a value that is known only later: what is wrong now stays wrong.
  const error = validateRequestBody(endpoint, compile(() => () => UNKNOWN).render(null));
  if (error !== null) {
    throw new UsageError(`no record can make this request valid: ${error.message}`);
  }
  return compile(fieldReader);
}

/** A schema's format goes into the `text` of a responses body beside what stands there. */
function mergeText(body: Record<string, unknown>, rest: JsonObject): Record<string, unknown> {
  return isObject(body.text) && isObject(rest.text)
    ? { ...body, ...rest, text: { ...body.text, ...rest.text } }
    : { ...body, ...rest };
}

/** The parameters that a prompt fills in. */
const OWN_KEYS: Record<Endpoint, readonly string[]> = {
  '/chat/completions': ['messages'],
  '/responses': ['input', 'instructions'],
  '/embeddings': ['input'],
  '/completions': ['prompt'],
};

function compileOwn(definition: Declared, endpoint: Endpoint, readerOf: ReaderOf): JsonTemplate {
  return definition.kind === 'prompt'
    ? compilePrompt(definition, endpoint, readerOf)
    : compileBodyObject(definition, readerOf);
}

function compilePrompt(
  definition: PromptDefinition,
  endpoint: Endpoint,
  readerOf: ReaderOf,
): JsonTemplate {
  const imageFields = imageFieldsOf(definition);
  const prompt = compileTemplate(definition.prompt, readerOf);
  const system =
    definition.system === undefined ? null : compileTemplate(definition.system, readerOf);
  if (TEXT_ONLY.has(endpoint) && (system !== null || imageFields.length > 0)) {
    throw new UsageError(`${endpoint} takes one text: leave out the system prompt and the images`);
  }
  if (definition.imageDetail !== undefined && imageFields.length === 0) {
    throw new UsageError('an image detail is given, but no field with an image; give both');
  }
  const readImages = imageReader(imageFields, readerOf);
  const fields = new Set([...(system?.fields ?? []), ...prompt.fields, ...imageFields]);
  const shape = SHAPES[endpoint];
  const { imageDetail } = definition;
  return {
    fields: [...fields],
    render(record, source = '') {
      const instructions = system === null ? null : system.render(record, source);
      if (instructions instanceof UnusableField) return instructions;
      const text = prompt.render(record, source);
      if (text instanceof UnusableField) return text;
      const images = readImages(record, source);
      if (images instanceof UnusableField) return images;
      return shape(text, instructions, images, imageDetail);
    },
  };
}

function compileBodyObject(definition: BodyDefinition, readerOf: ReaderOf): JsonTemplate {
  // The job's model takes the place of the template's, which is often a placeholder.
  const { model: _, ...body } = definition.body;
  const imageFields = imageFieldsOf(definition);
  const template = compileJson(body, (field) =>
    imageFields.includes(field) ? singleImageReader(field, readerOf) : readerOf(field),
  );
  const unused = imageFields.find((field) => !template.fields.includes(field));
  if (unused === undefined) return template;
  throw new UsageError(
    `the body has no place for the image field ${unused}: write "{{${unused}}}" where its URL goes`,
  );
}

/** The fields that are images. */
export function imageFieldsOf({ imageField = [] }: Declared): readonly string[] {
  return typeof imageField === 'string' ? [imageField] : imageField;
}

/** Endpoints whose prompt is all that the model reads. */
const TEXT_ONLY: ReadonlySet<Endpoint> = new Set(['/embeddings', '/completions']);

type Shape = (
  text: string,
  system: string | null,
  images: readonly unknown[],
  detail: ImageDetail | undefined,
) => Record<string, unknown>;

/** How a prompt, a system prompt and images become the body of each endpoint. */
const SHAPES: Record<Endpoint, Shape> = {
  '/chat/completions': (text, system, images, detail) => {
    const parts = images.map((url) => ({
      type: 'image_url',
      image_url: { url, ...(detail === undefined ? {} : { detail }) },
    }));
    const content = parts.length === 0 ? text : [{ type: 'text', text }, ...parts];
    const user = { role: 'user', content };
    return { messages: system === null ? [user] : [{ role: 'system', content: system }, user] };
  },
  '/responses': (text, system, images, detail) => {
    const parts = images.map((url) => ({
      type: 'input_image',
      image_url: url,
      ...(detail === undefined ? {} : { detail }),
    }));
    const content = [{ type: 'input_text', text }, ...parts];
    const input = parts.length === 0 ? text : [{ role: 'user', content }];
    return system === null ? { input } : { instructions: system, input };
  },
  '/embeddings': (text) => ({ input: text }),
  '/completions': (text) => ({ prompt: text }),
};
