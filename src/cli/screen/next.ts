import type { Style } from './style.ts';

/** A command to try next, with what it does. */
export type NextCommand = readonly [command: string, what: string];

/** The commands under their heading; one is never cut, as it is there to be copied. */
export function nextLines(next: readonly NextCommand[], style: Style): string[] {
  if (next.length === 0) return [];
  return [
    '',
    'next',
    ...next.map(
      ([command, what]) =>
        `  ${style.colour('cyan', command)}  ${style.colour('dim', `# ${what}`)}`,
    ),
  ];
}
