import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { OutputAction } from './faults/rules.ts';

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** Copies a finished file in the odd forms that output files were seen in. The first one stays. */
export async function deform(
  from: string,
  to: string,
  actions: readonly OutputAction[],
): Promise<void> {
  const has = (name: OutputAction['do']) => actions.some(({ do: action }) => action === name);
  const { size } = await stat(from);
  const bytes = has('no-final-newline') ? Math.max(0, size - 1) : size;
  const parts = async function* (): AsyncGenerator<Uint8Array> {
    if (has('bom')) yield BOM;
    if (bytes > 0) yield* createReadStream(from, { end: bytes - 1 });
    if (has('blank-line')) yield Buffer.from('\n');
  };
  await pipeline(parts, createWriteStream(to, { mode: 0o600 }));
}
