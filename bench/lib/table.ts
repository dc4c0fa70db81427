// A result as a Markdown table.
import type { Outcome } from './harness.ts';

export interface TableInput {
  readonly question: string;
  readonly bytes: number;
  readonly outcomes: readonly Outcome[];
}

/** Prints the contenders, slowest last, with how many times slower each is than the first of ours. */
export function printTable(result: TableInput): void {
  process.stdout.write(`\n${tableText(result)}\n`);
}

export function tableText({ question, bytes, outcomes }: TableInput): string {
  const ours = outcomes.find((outcome) => outcome.ours)?.median ?? outcomes[0]?.median ?? 1;
  const rows = [...outcomes].sort((a, b) => a.median - b.median);
  return [
    `${question} (${(bytes / 1e6).toFixed(0)} MB)`,
    '',
    '| | s | MB/s | peak MiB | CPU s | times ours |',
    '|---|---|---|---|---|---|',
    ...rows.map((row) => {
      const name = row.ours ? `**${row.name}**` : row.name;
      const peak = row.peakMiB === null ? '' : row.peakMiB.toFixed(0);
      const cpu = row.cpu === 0 ? '' : row.cpu.toFixed(2);
      const ratio = (row.median / ours).toFixed(2);
      return `| ${name} | ${row.median.toFixed(3)} | ${row.mbPerSecond.toFixed(0)} | ${peak} | ${cpu} | ${ratio} |`;
    }),
    '',
  ].join('\n');
}
