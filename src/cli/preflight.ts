import { refuseOutputOverSource } from '../jobs/place.ts';
import { openRequest } from '../jobs/request.ts';
import { checkFields } from '../requests/check-fields.ts';
import type { RequestDefinition } from '../requests/definition.ts';
import { schemaDoubts } from '../requests/schema.ts';
import { createSink } from '../sinks/create-sink.ts';
import { describeSource, type SourceOptions } from '../sources/describe.ts';
import { expandGlobs } from '../sources/globs.ts';

export interface Preflight {
  /** The sources' paths. */
  readonly source: string[];
  /** What may go wrong, in words for the user. */
  readonly doubts: readonly string[];
}

/**
 * Finds what can be found wrong before a job directory is made: files that are not there, a prompt
 * that names a column which a CSV lacks, an output that cannot be written.
 */
export async function preflight(
  patterns: readonly string[],
  options: SourceOptions,
  definition: RequestDefinition,
  out: string | null,
): Promise<Preflight> {
  if (out !== null) await createSink(out).abort();
  const paths = await expandGlobs(patterns);
  refuseOutputOverSource(out, paths);
  const { builder } = await openRequest(definition);
  for (const path of paths) {
    const { columns, label } = await describeSource(path, options);
    if (columns !== null) checkFields(builder.fields, columns, label);
  }
  const schema = 'schema' in definition ? definition.schema : undefined;
  const doubts = schema === undefined ? [] : schemaDoubts(schema);
  return { source: paths, doubts: [...sameForAll(definition, builder.fields), ...doubts] };
}

/** A template without a field makes one request of all records, each of which is paid for. */
function sameForAll(definition: RequestDefinition, fields: readonly string[]): string[] {
  if (definition.kind !== 'prompt' && definition.kind !== 'body') return [];
  if (fields.some((field) => field !== definition.idField)) return [];
  return [
    'the request names no field, so it is the same for every record: {{text}} is the column text',
  ];
}
