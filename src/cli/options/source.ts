import type { Command } from 'commander';
import type { SourceOptions } from '../../sources/describe.ts';
import { count, oneOf, sizeBytes } from '../units.ts';

const FORMATS = ['csv', 'tsv', 'ndjson', 'json', 'batch'] as const;

export interface SourceFlags {
  format?: (typeof FORMATS)[number];
  delimiter?: string;
  encoding?: string;
  jsonPath?: string;
  strict?: boolean;
  maxRecordBytes?: number;
  workers?: number;
}

/** How a source is read. */
export function addSourceFlags(command: Command): Command {
  return command
    .optionsGroup('Source:')
    .option('--format <name>', `${FORMATS.join(', ')} (or by the name)`, (text) =>
      oneOf(text, '--format', FORMATS),
    )
    .option('--delimiter <char>', 'of a CSV; found by itself', (text) =>
      text === '\\t' ? '\t' : text,
    )
    .option('--encoding <label>', 'such as windows-1252; UTF-8 by default')
    .option('--json-path <path>', 'to the array of records in a document: a.b')
    .option('--strict', 'stop at the first bad record')
    .option(
      '--max-record-bytes <size>',
      'a longer record is rejected (16MiB, 256MiB at most)',
      (text) => sizeBytes(text, '--max-record-bytes'),
    )
    .option('--workers <count>', 'threads that prepare a file side by side (as cores)', (text) =>
      count(text, '--workers'),
    );
}

/** The flags as the sources take them. */
export function sourceOptions(flags: SourceFlags): SourceOptions {
  const { format, delimiter, encoding, jsonPath, strict, maxRecordBytes } = flags;
  return {
    ...(format === undefined ? {} : { format }),
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(jsonPath === undefined ? {} : { jsonPath }),
    ...(strict === undefined ? {} : { strict }),
    ...(maxRecordBytes === undefined ? {} : { maxRecordBytes }),
  };
}
