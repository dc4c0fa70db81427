import type { Store } from '../core/store.ts';
import { number } from './screen/words.ts';
import { eventsAfter } from './trouble.ts';

const SHOWN = 4;

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
  if (rows.size === 0) return null;
  const codes = [...rows].sort(([, a], [, b]) => b - a);
  const more = codes.length > SHOWN ? [`${codes.length - SHOWN} codes more`] : [];
  const shown = codes.slice(0, SHOWN).map(([code, count]) => `${number(count)} ${code}`);
  return [...shown, ...more].join(', ');
}
