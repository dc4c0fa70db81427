import type { RequestSpec } from '../core/job.ts';
import type { RequestBuilder } from '../requests/builder.ts';
import type { RequestDefinition } from '../requests/definition.ts';
import { builderOf, definitionOf } from '../requests/function-builder.ts';
import { openRequestBuilder } from '../requests/module.ts';
import type { RequestOptions } from '../requests/options.ts';
import { compileSplice, type SpliceTemplate } from '../requests/splice/template.ts';

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
  readonly splice: SpliceTemplate | null;
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
    return { builder, spec: { idField, template: request }, portable: request, splice };
  }
  const builder = builderOf(request);
  const hasFunction = Object.values(request).some((value) => typeof value === 'function');
  const template = hasFunction ? { version: version ?? null } : request;
  const definition = definitionOf(request);
  const splice = definition === null ? null : compileSplice(definition);
  const portable = hasFunction ? null : (request as JobRequest<unknown>);
  return { builder, spec: { idField: request.idField ?? null, template }, portable, splice };
}

/** The definition that a job remembers, or null when it was made by functions. */
export function rememberedRequest(spec: RequestSpec | null): RequestDefinition | null {
  const template = spec?.template;
  if (typeof template !== 'object' || template === null || !('kind' in template)) return null;
  return template as RequestDefinition;
}
