import { relative } from 'node:path';
import type { ResultRow } from '../../core/result.ts';
import type { Totals } from '../../core/store.ts';
import type { JobStatus } from '../../jobs/status.ts';
import { freeCost, paidInWords, tokensInWords } from './money-words.ts';
import { type NextCommand, nextLines } from './next.ts';
import type { Style } from './style.ts';
import { number, plural, shorten } from './words.ts';

/** What a run came to, for the people who ran it. */
export interface Ending {
  readonly status: JobStatus;
  readonly totals: Totals;
  readonly elapsed: string | null;
  /** Where the rows lie, `-` for standard output, null when nothing was written. */
  readonly out: string | null;
  /** Why rows have failed, or null when none has. */
  readonly failures: string | null;
  /** Where the rejected records lie, and why in words if it is known; null when there are none. */
  readonly rejected: { readonly path: string; readonly reasons: string | null } | null;
  readonly sample: ResultRow | null;
  readonly free: boolean;
  readonly next: readonly NextCommand[];
}

/** The last words of a run. */
export function summary(ending: Ending, style: Style): string[] {
  const { status, totals, out, sample, free } = ending;
  const label = (text: string) => `  ${style.colour('dim', text.padEnd(10))}`;
  const line = (name: string, text: string) => label(name) + shorten(text, style.width - 12);
  const took = ending.elapsed === null ? '' : ` in ${ending.elapsed}`;
  const again = Math.max(0, status.batches - totals.shards);
  const lines = [
    `${style.colour('bold', status.job)}: ${status.state}${took}`,
    '',
    line('records', recordsInWords(status)),
    line(
      'shards',
      `${number(totals.shards)} in ${plural(status.batches, 'batch', 'batches')}` +
        (again > 0 ? `, ${number(again)} of them sent again` : ''),
    ),
    line('tokens', tokensInWords(status)),
    line('cost', free ? freeCost(status) : paidInWords(status)),
  ];
  if (out !== null) lines.push(line('rows', out === '-' ? 'on standard output' : near(out)));
  if (ending.failures !== null) lines.push(line('failed', ending.failures));
  if (ending.rejected !== null) {
    const { path, reasons } = ending.rejected;
    const where = `each with its place and reason in ${near(path)}`;
    if (reasons !== null) lines.push(line('rejected', reasons));
    lines.push(line(reasons === null ? 'rejected' : '', where));
  }
  if (status.duplicate_submissions > 0) {
    lines.push(
      line(
        'duplicates',
        `${plural(status.duplicate_submissions, 'batch was', 'batches were')} made twice by a lost answer; the second one was cancelled`,
      ),
    );
  }
  if (status.pause !== null) lines.push(line('paused', status.pause));
  if (sample !== null) lines.push('', ...sampleLines(sample, style));
  return [...lines, ...nextLines(ending.next, style)];
}

function recordsInWords({ records, ok, failed, rejected, pending }: JobStatus): string {
  const rest = pending > 0 ? `, ${number(pending)} pending` : '';
  return `${number(records)}: ${number(ok)} ok, ${number(failed)} failed, ${number(rejected)} rejected${rest}`;
}

/** The row in three lines of the screen, so that its parts are seen beside each other. */
function sampleLines(row: ResultRow, style: Style): string[] {
  const { record, response, ...rest } = row;
  const width = style.width - 12;
  const show = (name: string, value: unknown) =>
    `  ${style.colour('dim', name.padEnd(10))}${shorten(JSON.stringify(value), width)}`;
  const { ordinal, custom_id, status } = rest;
  return [
    'one row',
    show('row', { ordinal, custom_id, status }),
    show('record', record),
    show('answer', contentOf(response?.body) ?? row.error),
  ];
}

/** The text of an answer, wherever its endpoint puts it; the whole body when there is none. */
function contentOf(body: unknown): unknown {
  const chat = at(body, 'choices', 0, 'message', 'content');
  return chat ?? at(body, 'output', 0, 'content', 0, 'text') ?? body ?? null;
}

function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found: unknown = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Record<string | number, unknown>)[key];
  }
  return found;
}

/** The path as one would type it from here. */
export function near(path: string): string {
  const short = relative(process.cwd(), path);
  return short !== '' && !short.startsWith('..') ? short : path;
}
