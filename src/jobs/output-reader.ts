import type { RequestSpec } from '../core/job.ts';
import type { StandardSchema } from '../core/standard-schema.ts';
import { type OutputReader, outputReader } from '../join/structured-output.ts';
import type { JsonObject } from '../requests/json.ts';
import { compileJsonSchema } from '../requests/json-schema.ts';
import { openRequestBuilder } from '../requests/module.ts';
import { type Context, jobRow } from './context.ts';
import { rememberedRequest } from './request.ts';

const readers = new WeakMap<Context, Promise<OutputReader | null>>();

/** How the outputs of the job's answers are read, made once; null when it asked for no schema. */
export function outputReaderOf(context: Context): Promise<OutputReader | null> {
  let reader = readers.get(context);
  if (reader === undefined) {
    reader = makeReader(context);
    readers.set(context, reader);
  }
  return reader;
}

async function makeReader({ store, settings }: Context): Promise<OutputReader | null> {
  const { request } = (await store.read(jobRow)).spec;
  const schema = request?.outputSchema ?? null;
  const standard = settings.schema ?? (await moduleSchema(request));
  if (schema === null && standard === null) return null;
  return outputReader(schema === null ? null : compileJsonSchema(schema as JsonObject), standard);
}

/** The schema object of a request module, which a job remembers by its URL only. */
async function moduleSchema(request: RequestSpec | null): Promise<StandardSchema | null> {
  const remembered = request?.outputSchema == null ? null : rememberedRequest(request);
  if (remembered?.kind !== 'module') return null;
  return (await openRequestBuilder(remembered)).output?.standard ?? null;
}
