import type { ShardStatus } from '../../jobs/shard-status.ts';
import type { Style } from './style.ts';
import { type Column, table } from './table.ts';
import { money, number } from './words.ts';

/** The shards in the order in which they are sent, each with its price. */
export function shardTable(shards: readonly ShardStatus[], currency: string, style: Style) {
  const sum = (value: number | null) => (value === null ? '-' : money(value, currency));
  const columns: readonly Column<ShardStatus>[] = [
    { heading: 'SHARD', value: ({ name }) => name },
    { heading: 'STATE', value: ({ state }) => state },
    { heading: 'TARGET', value: ({ target }) => target ?? '-' },
    { heading: 'TRY', right: true, value: ({ attempt }) => String(attempt) },
    { heading: 'REQUESTS', right: true, value: ({ requests }) => number(requests) },
    { heading: 'OK', right: true, value: ({ ok }) => number(ok) },
    { heading: 'FAILED', right: true, value: ({ failed }) => number(failed) },
    { heading: 'IN', right: true, value: ({ tokens }) => number(tokens.estimated) },
    { heading: 'OUT', right: true, value: ({ tokens }) => number(tokens.output) },
    { heading: 'ESTIMATED', right: true, value: ({ cost }) => sum(cost.estimated) },
    { heading: 'COST', right: true, value: ({ cost }) => sum(cost.actual) },
    { heading: 'BATCH', value: ({ batch }) => batch ?? '-' },
  ];
  return table(columns, shards, style);
}
