import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Records with quotes and newlines inside, and a ragged one now and then, which is rejected. With
 * `noteBytes` they have a long third field that no request takes.
 */
export function table(records: number, noteBytes = 0): string {
  const note = noteBytes === 0 ? '' : `,${'n'.repeat(noteBytes)}`;
  const rows = Array.from({ length: records }, (_, n) => {
    if (n % 40 === 39) return `${n},"ragged",too,many`;
    return `${n},"No. ${n}: ""good"", said she;\nнет, плохо — 很好 ${'word '.repeat(n % 23)}"${note}`;
  });
  return `id,text${note === '' ? '' : ',note'}\n${rows.join('\n')}\n`;
}

/** The output of a job whose home this is; empty when there is none. */
export async function rowsOf(home: string): Promise<string> {
  const path = join(home, 'out.ndjson');
  return existsSync(path) ? readFile(path, 'utf8') : '';
}
