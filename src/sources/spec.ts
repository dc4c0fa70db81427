import { MillraceError } from '../core/errors.ts';
import type { SourceSpec } from '../core/job.ts';
import type { SourceDescription } from './description.ts';

/** The description as a job remembers it. */
export function toSourceSpec(source: SourceDescription): SourceSpec {
  const { path, label, bytes, mtime, columns, ...options } = source;
  return { path, label, bytes, mtime, columns, options };
}

/** The description that `toSourceSpec` wrote down. Throws `bad_source_spec` for any other. */
export function fromSourceSpec(spec: SourceSpec): SourceDescription {
  const { path, label, bytes, mtime, columns, options } = spec;
  const known = (key: string, allowed: readonly unknown[]): unknown => {
    const value = options[key] ?? null;
    if (allowed.includes(value) || allowed.includes(typeof value)) return value;
    throw new MillraceError(
      'bad_source_spec',
      `the job's source ${label} has an unknown ${key}; open it with the version that made it`,
    );
  };
  return {
    path,
    label,
    bytes,
    mtime,
    format: known('format', ['csv', 'ndjson', 'json', 'batch']),
    compression: known('compression', ['gzip', 'zstd', null]),
    encoding: known('encoding', ['string']),
    delimiter: known('delimiter', ['string', null]),
    newline: known('newline', ['lf', 'cr', null]),
    header: known('header', ['boolean']),
    columns,
    start: known('start', ['number']),
    jsonPath: known('jsonPath', ['string', null]),
    strict: known('strict', ['boolean']),
    maxRecordBytes: known('maxRecordBytes', ['number']),
    seekable: known('seekable', ['boolean']),
  } as SourceDescription;
}
