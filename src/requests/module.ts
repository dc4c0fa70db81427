import { errorMessage, UsageError } from '../core/errors.ts';
import { createRequestBuilder, type RequestBuilder, requireModel } from './builder.ts';
import type { ModuleDefinition, RequestDefinition } from './definition.ts';
import { requireEndpoint } from './endpoint.ts';
import { builderOf, functionBuilder } from './function-builder.ts';
import { isObject } from './json.ts';
import type { RequestOptions } from './options.ts';

/** Makes the builder of any declared request, loading its module if it has one. */
export async function openRequestBuilder(definition: RequestDefinition): Promise<RequestBuilder> {
  if (definition.kind === 'module') return loadRequestModule(definition.url, definition);
  return createRequestBuilder(definition);
}

/** What a job says beside the module; it wins over what the module says itself. */
export type ModuleDefaults = Omit<ModuleDefinition, 'kind' | 'url' | 'model'> & {
  readonly model?: string | undefined;
};

/**
 * Loads a module (`file:` URL; `.ts` works by Node's type stripping) whose default export is
 *
 * - a function `(record) => body`, which may be async, or
 * - an object of options as `buildRequests` takes them.
 *
 * Throws a UsageError when it cannot be loaded or exports something else.
 */
export async function loadRequestModule(
  url: string,
  defaults: ModuleDefaults = {},
): Promise<RequestBuilder> {
  let made: unknown;
  try {
    made = ((await import(url)) as { default?: unknown }).default;
  } catch (error) {
    throw new UsageError(`the request module ${url} cannot be loaded: ${errorMessage(error)}`, {
      cause: error,
    });
  }
  if (typeof made === 'function') {
    return functionBuilder({
      ...defaults,
      model: requireModel(defaults.model),
      endpoint: requireEndpoint(defaults.endpoint),
      make: made as (record: unknown) => unknown,
      wrap: (body) => body,
    });
  }
  if (!isObject(made)) {
    throw new UsageError(
      `the request module ${url} must export by default a function (record) => body, or the options of buildRequests`,
    );
  }
  return builderOf(merge(made, defaults));
}

function merge(made: Record<string, unknown>, defaults: ModuleDefaults): RequestOptions<unknown> {
  const said = Object.entries(defaults).filter(
    ([, value]) => value !== undefined && value !== null,
  );
  const options: Record<string, unknown> = { ...made, ...Object.fromEntries(said) };
  delete options.kind;
  delete options.url;
  if (isObject(made.parameters) && isObject(defaults.parameters)) {
    options.parameters = { ...made.parameters, ...defaults.parameters };
  }
  if (defaults.idField != null) delete options.customId;
  // Its shape is checked by builderOf, as it is for everybody who writes JavaScript.
  return options as unknown as RequestOptions<unknown>;
}
