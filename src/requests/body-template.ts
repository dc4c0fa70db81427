import { UsageError } from '../core/errors.ts';
import type { Endpoint } from '../core/request.ts';
import type { BodyDefinition, PromptDefinition } from './definition.ts';
import { type FieldReader, fieldReader, MissingField } from './field-path.ts';
import { isObject, type JsonObject } from './json.ts';
import { schemaParameter } from './schema.ts';
import { compileJson, compileTemplate, type JsonTemplate, type ReaderOf } from './template.ts';
import { UNKNOWN, validateRequestBody } from './validate-body.ts';

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
  const compile = (readerOf: ReaderOf): JsonTemplate => {
    const own = compileOwn(definition, endpoint, readerOf);
    const rest = { ...parameters, ...withSchema(definition, endpoint) };
    return {
      fields: own.fields,
      render(record) {
        const body = own.render(record);
        if (body instanceof MissingField) return body;
        return { model, ...(body as object), ...rest };
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

/** The parameters that a prompt fills in. */
const OWN_KEYS: Record<Endpoint, readonly string[]> = {
  '/chat/completions': ['messages'],
  '/responses': ['input', 'instructions'],
  '/embeddings': ['input'],
};

function withSchema(definition: Declared, endpoint: Endpoint): JsonObject {
  const { schema, parameters } = definition;
  if (schema === undefined) return {};
  const parameter = schemaParameter(endpoint, schema);
  const [key = ''] = Object.keys(parameter);
  const other = parameters?.[key];
  // `text` of /responses has more than a format: the rest of it is kept.
  if (key === 'text' && isObject(other) && other.format === undefined) {
    return { text: { ...other, ...(parameter.text as JsonObject) } };
  }
  if (other !== undefined) {
    throw new UsageError(`a schema and the parameter ${key} cannot be given together; choose one`);
  }
  return parameter;
}

function compileOwn(definition: Declared, endpoint: Endpoint, readerOf: ReaderOf): JsonTemplate {
  if (definition.kind === 'prompt') return compilePrompt(definition, endpoint, readerOf);
  // The job's model takes the place of the template's, which is often a placeholder.
  const { model: _, ...body } = definition.body;
  return compileJson(body, readerOf);
}

function compilePrompt(
  definition: PromptDefinition,
  endpoint: Endpoint,
  readerOf: ReaderOf,
): JsonTemplate {
  const { imageField } = definition;
  const prompt = compileTemplate(definition.prompt, readerOf);
  const system =
    definition.system === undefined ? null : compileTemplate(definition.system, readerOf);
  if (endpoint === '/embeddings' && (system !== null || imageField !== undefined)) {
    throw new UsageError('/embeddings takes one text: leave out the system prompt and the image');
  }
  const readImage = imageField === undefined ? null : imageReader(imageField, readerOf);
  const fields = new Set([...(system?.fields ?? []), ...prompt.fields]);
  if (imageField !== undefined) fields.add(imageField);
  return {
    fields: [...fields],
    render(record) {
      const instructions = system === null ? null : system.render(record);
      if (instructions instanceof MissingField) return instructions;
      const text = prompt.render(record);
      if (text instanceof MissingField) return text;
      const image = readImage === null ? '' : readImage(record);
      if (image instanceof MissingField) return image;
      return SHAPES[endpoint](text, instructions, image);
    },
  };
}

function imageReader(field: string, readerOf: ReaderOf): FieldReader {
  const read = readerOf(field);
  return (record) => {
    const value = read(record);
    return value === undefined ? new MissingField(field) : (value ?? '');
  };
}

/** How a prompt, a system prompt and an image become the body of each endpoint. */
const SHAPES: Record<
  Endpoint,
  (text: string, system: string | null, image: unknown) => Record<string, unknown>
> = {
  '/chat/completions': (text, system, image) => {
    const content =
      image === ''
        ? text
        : [
            { type: 'text', text },
            { type: 'image_url', image_url: { url: image } },
          ];
    const user = { role: 'user', content };
    return { messages: system === null ? [user] : [{ role: 'system', content: system }, user] };
  },
  '/responses': (text, system, image) => {
    const content = [
      { type: 'input_text', text },
      { type: 'input_image', image_url: image },
    ];
    const input = image === '' ? text : [{ role: 'user', content }];
    return system === null ? { input } : { instructions: system, input };
  },
  '/embeddings': (text) => ({ input: text }),
};
