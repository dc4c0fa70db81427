// Tables of many short rows.
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DATA, records } from './data.ts';

/** Rows of about 300 bytes. */
export async function rowsFile(rows: number): Promise<string> {
  const path = join(DATA, `rows-${rows}.csv`);
  if (existsSync(path)) return path;
  mkdirSync(DATA, { recursive: true });
  const out = createWriteStream(`${path}.part`, { highWaterMark: 1 << 20 });
  out.write('id,text\n');
  let n = 0;
  for (const { id, text } of records(7)) {
    if (n++ === rows) break;
    const short = text.slice(0, 280).toWellFormed();
    if (!out.write(`${id},"${short.replaceAll('"', '""')}"\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
  renameSync(`${path}.part`, path);
  return path;
}
