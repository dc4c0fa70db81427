import type { RequestSpec } from '../core/job.ts';
import type { RequestBuilder } from '../requests/builder.ts';
import type { RequestDefinition } from '../requests/definition.ts';
import { builderOf, definitionOf } from '../requests/function-builder.ts';
import { openRequestBuilder } from '../requests/module.ts';
import type { RequestOptions } from '../requests/options.ts';
import { compileSplice, type RequestSplice } from '../requests/splice/template.ts';
import { plainSchema } from '../requests/standard-schema.ts';

/**
 * How a job's requests are made: a definition (plain data, which the job remembers), the options of
 * `buildRequests`, functions among them, or the URL of a module.
 */
export type JobRequest<T> = RequestDefinition | RequestOptions<T> | URL;

/** A request that is ready to be built, and what the job remembers of it. */
export interface OpenRequest {
  readonly builder: RequestBuilder;
  /** Null where the records say it. */
  readonly spec: Omit<RequestSpec, 'endpoint' | 'model' | 'baseModel'>;
  /** The same request as plain data, for another thread to open; null when it has functions. */
  readonly portable: JobRequest<unknown> | null;
  /** The request as bytes, for records that are; null when each has to be built. */
  readonly splice: RequestSplice | null;
}

/** `version` stands for functions, which cannot be remembered. */
export async function openRequest<T>(
  request: JobRequest<T>,
  version?: string | undefined,
): Promise<OpenRequest> {
  if (request instanceof URL) return openRequest({ kind: 'module', url: request.href } as never);
  if ('kind' in request) {
    const builder = await openRequestBuilder(request);
    const splice = request.kind === 'module' ? null : compileSplice(request);
    const idField = 'idField' in request ? (request.idField ?? null) : null;
    const spec = { idField, template: request, ...schemaOf(builder) };
    return { builder, spec, portable: request, splice };
  }
  const builder = builderOf(request);
  // The schema as plain data stands for a schema object, which neither threads nor the store take.
  const { schema: _, ...others } = request;
  const schema = plainSchema(request.schema);
  const plain = { ...others, ...(schema === undefined ? {} : { schema }) };
  const hasFunction = Object.values(others).some((value) => typeof value === 'function');
  const template = hasFunction ? { version: version ?? null } : plain;
  const definition = definitionOf(request);
  const splice = definition === null ? null : compileSplice(definition);
  const portable = hasFunction ? null : (plain as JobRequest<unknown>);
  const spec = { idField: request.idField ?? null, template, ...schemaOf(builder) };
  return { builder, spec, portable, splice };
}

function schemaOf({ output }: RequestBuilder): Pick<RequestSpec, 'outputSchema'> {
  return output === null ? {} : { outputSchema: output.schema };
}

/** The definition that a job remembers, or null when it was made by functions. */
export function rememberedRequest(spec: RequestSpec | null): RequestDefinition | null {
  const template = spec?.template;
  if (typeof template !== 'object' || template === null || !('kind' in template)) return null;
  return template as RequestDefinition;
}
