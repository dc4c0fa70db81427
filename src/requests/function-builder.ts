import { UsageError } from '../core/errors.ts';
import { RejectedRecord, type SourceRecord } from '../core/record.ts';
import type { Endpoint, RequestItem } from '../core/request.ts';
import { UNKNOWN } from './body-error.ts';
import {
  createRequestBuilder,
  type IdReader,
  idReader,
  outputOf,
  prepare,
  type RequestBuilder,
  reject,
  rejectThrown,
  requireModel,
} from './builder.ts';
import type { RequestTemplate } from './definition.ts';
import { requireEndpoint } from './endpoint.ts';
import { isObject, type JsonObject } from './json.ts';
import type { BodyOptions, PromptOptions, RequestOptions } from './options.ts';
import { describePosition } from './position.ts';
import { withSchema } from './schema.ts';
import { plainSchema, standardOf } from './standard-schema.ts';
import { validateRequestBody } from './validate-body.ts';

/**
 * Makes the builder of the options that the library's users write: templates become a declared
 * request, functions are called record by record. Throws a UsageError for options that contradict
 * each other.
 */
export function builderOf<T>(options: RequestOptions<T>): RequestBuilder {
  const builder = plainBuilderOf(options);
  const { output } = builder;
  return output === null
    ? builder
    : { ...builder, output: { ...output, standard: standardOf(options.schema) } };
}

function plainBuilderOf<T>(options: RequestOptions<T>): RequestBuilder {
  const common = commonOf(options);
  if ('messages' in options) {
    if (common.endpoint !== '/chat/completions') {
      throw new UsageError(
        `messages are for /chat/completions; for ${common.endpoint} give a body`,
      );
    }
    const { messages } = options;
    if (typeof messages !== 'function') {
      throw new UsageError(
        'messages must be a function of a record, (r) => [{ role, content }]; a template of them goes into body: { messages }',
      );
    }
    return functionBuilder(
      { ...common, make: messages, wrap: (made) => ({ messages: made }) },
      options,
    );
  }
  if ('body' in options && typeof options.body === 'function') {
    if (options.imageField !== undefined) {
      throw new UsageError('imageField is for a prompt or a JSON body: a function reads its own');
    }
    return functionBuilder({ ...common, make: options.body, wrap: (made) => made }, options);
  }
  return withId(createRequestBuilder(templateOf(options, common)), options);
}

/** The same options as a definition; null where a function has a part in it. */
export function definitionOf<T>(options: RequestOptions<T>): RequestTemplate | null {
  const common = commonOf(options);
  if ('messages' in options || options.customId !== undefined) return null;
  if ('body' in options && typeof options.body === 'function') return null;
  return templateOf(options, common);
}

function templateOf<T>(
  options: PromptOptions<T> | BodyOptions<T>,
  common: ReturnType<typeof commonOf>,
): RequestTemplate {
  const { imageField } = options;
  if ('body' in options) {
    return { ...common, kind: 'body', body: options.body as JsonObject, imageField };
  }
  const { prompt, system, imageDetail } = options;
  return { ...common, kind: 'prompt', prompt, system, imageField, imageDetail };
}

function commonOf<T>(options: RequestOptions<T>) {
  const given = FORMS.filter((form) => form in options);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none is given' : `${given.join(' and ')} are given`;
    throw new UsageError(`a request is made by one of ${FORMS.join(', ')}; ${found}`);
  }
  if (options.customId !== undefined && options.idField !== undefined) {
    throw new UsageError('customId and idField cannot be given together; choose one');
  }
  return {
    model: requireModel(options.model),
    endpoint: requireEndpoint(options.endpoint),
    idField: options.idField,
    parameters: parametersOf(options),
    schema: plainSchema(options.schema),
  };
}

const FORMS = ['messages', 'prompt', 'body'] as const;

const PARAMETERS = [
  'temperature',
  'top_p',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'seed',
  'stop',
  'response_format',
  'tools',
  'tool_choice',
  'reasoning_effort',
] as const;

function parametersOf<T>(options: RequestOptions<T>): JsonObject {
  const parameters: Record<string, unknown> = { ...options.parameters };
  for (const key of PARAMETERS) {
    if (options[key] !== undefined) parameters[key] = options[key];
  }
  return parameters as JsonObject;
}

export interface FunctionRequest<T> {
  readonly model: string;
  readonly endpoint: Endpoint;
  readonly idField?: string | null | undefined;
  readonly parameters?: JsonObject | undefined;
  readonly schema?: JsonObject | undefined;
  /** The user's function. */
  readonly make: (record: T) => unknown;
  /** Puts what it made into a body; what is no object is refused after that. */
  readonly wrap: (made: unknown) => unknown;
}

/** What a function may still put into a body. */
const UNKNOWN_TEXTS = { messages: UNKNOWN, input: UNKNOWN, prompt: UNKNOWN };

/** The builder of a function: its body's own keys win over the parameters, but not over the model. */
export function functionBuilder<T>(
  request: FunctionRequest<T>,
  options: { readonly customId?: (record: T) => string | number } = {},
): RequestBuilder {
  const { model, endpoint, make, wrap } = request;
  const fixed = withSchema(request.schema, endpoint, request.parameters);
  const error = validateRequestBody(endpoint, { ...UNKNOWN_TEXTS, model, ...fixed });
  if (error !== null)
    throw new UsageError(`no record can make this request valid: ${error.message}`);
  // The records are of the type that the user says they are: the parser does not check it.
  const output = outputOf(request.schema);
  const idOf = (options.customId as IdReader | undefined) ?? idReader(request.idField);
  const complete = (item: SourceRecord<unknown>, made: unknown): RequestItem<unknown> => {
    const own = wrap(made);
    if (!isObject(own)) {
      const where = describePosition(item.position);
      return reject(item, 'request_failed', `${where}: the request function made no object`);
    }
    const { model: _, ...rest } = own;
    return prepare(item, { endpoint, output }, { model, ...fixed, ...rest }, idOf);
  };
  return {
    fields: request.idField == null ? [] : [request.idField],
    endpoint,
    model,
    output,
    build(item) {
      if (item instanceof RejectedRecord) return item;
      try {
        const made = make(item.record as T);
        if (!isPromise(made)) return complete(item, made);
        return made.then(
          (value) => complete(item, value),
          (error) => rejectThrown(item, 'the request function', error),
        );
      } catch (error) {
        return rejectThrown(item, 'the request function', error);
      }
    },
  };
}

/** A declared request with ids from a function. */
function withId<T>(builder: RequestBuilder, options: RequestOptions<T>): RequestBuilder {
  const { customId } = options;
  if (customId === undefined) return builder;
  return {
    ...builder,
    build(item) {
      if (item instanceof RejectedRecord) return item;
      const built = builder.build(item);
      if (built instanceof Promise || built instanceof RejectedRecord) return built;
      const { endpoint, body } = built;
      return prepare(item, { endpoint, output: builder.output }, body, customId as IdReader);
    },
  };
}

function isPromise(value: unknown): value is Promise<unknown> {
  return isObject(value) && typeof value.then === 'function';
}
