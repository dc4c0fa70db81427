import { resolve } from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../../core/errors.ts';
import { oneOf } from '../units.ts';

const ORDERS = ['source', 'arrival'] as const;

export interface OutputFlags {
  out?: string;
  order?: (typeof ORDERS)[number];
  flat?: boolean;
  keep?: boolean;
}

/** Where the rows go. */
export function addOutputFlags(command: Command): Command {
  return command
    .optionsGroup('Output:')
    .option('--out <file>', '.ndjson .csv, also .gz .zst; - is stdout')
    .option('--order <order>', 'source or arrival (source)', (text) =>
      oneOf(text, '--order', ORDERS),
    )
    .option('--flat', 'one flat object a row; a .csv is always flat')
    .option('--keep', 'keep the files that nobody needs any more');
}

/**
 * Where the rows go: the file, `-`, or standard output when that is piped and no file was named.
 * Throws a UsageError when the rows would run over the screen by accident.
 */
export function outputOf(flags: OutputFlags, remembered: OutputFlags = {}): string {
  const out = flags.out ?? remembered.out;
  if (out !== undefined) return out === '-' ? out : resolve(out);
  if (!process.stdout.isTTY) return '-';
  throw new UsageError(
    '--out is missing: name a file such as --out labels.ndjson, or --out - to print the rows',
  );
}
