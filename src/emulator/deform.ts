import { createReadStream, createWriteStream } from 'node:fs';
import { appendFile, rename, stat, truncate } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { OutputAction } from './faults/rules.ts';

/** Makes a finished file odd in the ways that output files were seen to be. */
export async function deform(path: string, actions: readonly OutputAction[]): Promise<void> {
  for (const { do: action } of actions) {
    if (action === 'blank-line') await appendFile(path, '\n');
    if (action === 'no-final-newline') {
      const { size } = await stat(path);
      if (size > 0) await truncate(path, size - 1);
    }
    if (action === 'bom') {
      const odd = `${path}.bom`;
      await pipeline(withBom(path), createWriteStream(odd, { mode: 0o600 }));
      await rename(odd, path);
    }
  }
}

async function* withBom(path: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from([0xef, 0xbb, 0xbf]);
  yield* createReadStream(path);
}
