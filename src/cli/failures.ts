import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Store } from '../core/store.ts';
import { number } from './screen/words.ts';
import { eventsAfter } from './trouble.ts';

const SHOWN = 4;
/** Of a longer file the reasons are not counted: that would keep a person waiting. */
const MOST_BYTES = 64 * 1024 * 1024; // 64 MiB

/** Why rows have failed, the most frequent codes first, from the job's log; null when none has. */
export async function failuresInWords(store: Store): Promise<string | null> {
  const rows = new Map<string, number>();
  for await (const { type, detail } of eventsAfter(store, 0)) {
    // All failed rows were reopened: their reasons are history.
    if (type === 'reopened') rows.clear();
    if (type !== 'rows_failed') continue;
    const code = String(detail.code);
    rows.set(code, (rows.get(code) ?? 0) + Number(detail.rows));
  }
  return inWords(rows);
}

/** Why records were rejected, from the rows in `path`, likewise; null when that takes too long. */
export async function rejectionsInWords(path: string): Promise<string | null> {
  const size = (await stat(path)).size;
  if (size > MOST_BYTES) return null;
  const rows = new Map<string, number>();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const row = JSON.parse(line) as { readonly error: { readonly code: string } };
    rows.set(row.error.code, (rows.get(row.error.code) ?? 0) + 1);
  }
  return inWords(rows);
}

function inWords(rows: ReadonlyMap<string, number>): string | null {
  if (rows.size === 0) return null;
  const codes = [...rows].sort(([, a], [, b]) => b - a);
  const more = codes.length > SHOWN ? [`${codes.length - SHOWN} codes more`] : [];
  const shown = codes.slice(0, SHOWN).map(([code, count]) => `${number(count)} ${code}`);
  return [...shown, ...more].join(', ');
}
