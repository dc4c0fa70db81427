import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';

/** A stream that text for people goes to. */
export type Screen = Pick<WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;

type Colour = 'green' | 'red' | 'yellow' | 'cyan' | 'dim' | 'bold';

/** What a screen can show, decided once. */
export interface Style {
  readonly width: number;
  /** The cells of a bar, from done to not begun. */
  readonly blocks: readonly [string, string, string, string];
  colour(colour: Colour, text: string): string;
}

const PIPED_WIDTH = 100;
const NARROWEST = 40;

export function styleOf(screen: Screen, env: NodeJS.ProcessEnv = process.env): Style {
  const coloured = screen.isTTY === true && env.TERM !== 'dumb' && !env.NO_COLOR;
  return {
    width: Math.max(NARROWEST, screen.columns ?? PIPED_WIDTH),
    blocks: showsUnicode(env) ? ['█', '▓', '▒', '░'] : ['#', '=', '-', '.'],
    colour: (colour, text) =>
      coloured ? styleText(colour, text, { validateStream: false }) : text,
  };
}

function showsUnicode(env: NodeJS.ProcessEnv): boolean {
  if (process.platform !== 'linux') return true;
  if (env.TERM === 'dumb' || env.TERM === 'linux') return false;
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
}
