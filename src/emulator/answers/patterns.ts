import type { Random } from '../../core/clock.ts';

const MOST_REPEATS = 4; // beyond the least, where a quantifier has no upper bound
const ANY = 'abcdefghijklmnopqrstuvwxyz0123456789';
const DIGITS = '0123456789';
const WORD = `${ANY}_`;
/** What a negated class is drawn from. */
const PRINTABLE = Array.from({ length: 95 }, (_none, at) => String.fromCharCode(32 + at)).join('');
const CLASSES: Readonly<Record<string, string>> = {
  d: DIGITS,
  w: WORD,
  s: ' ',
  D: without(DIGITS),
  W: without(WORD),
  S: without(' '),
};

/** The names of letters, as in `\p{L}`; the text is checked by the expression itself. */
const PROPERTY = /^\{[^}]*\}/;

const TRIES = 16;

/**
 * A text that a regular expression matches and that `fits`, for the plain part of the language:
 * literals, classes, groups, alternatives, quantifiers, anchors. Undefined for anything else, and
 * when no text that was made does.
 */
export function textMatching(
  pattern: string,
  random: Random,
  fits: (text: string) => boolean = () => true,
): string | undefined {
  try {
    const expression = new RegExp(pattern, 'u');
    for (let tries = 0; tries < TRIES; tries += 1) {
      const text = new Sampler(pattern, random).sample();
      if (text === undefined) return undefined;
      if (expression.test(text) && fits(text)) return text;
    }
    return undefined;
  } catch {
    // Not a regular expression that JavaScript knows either: the caller writes plain text instead.
    return undefined;
  }
}

class Sampler {
  readonly #pattern: string;
  readonly #random: Random;
  #at = 0;
  #known = true;

  constructor(pattern: string, random: Random) {
    this.#pattern = pattern;
    this.#random = random;
  }

  sample(): string | undefined {
    const text = this.#alternatives();
    return this.#known && this.#at === this.#pattern.length ? text : undefined;
  }

  #alternatives(): string {
    const choices = [this.#sequence()];
    while (this.#peek() === '|') {
      this.#at += 1;
      choices.push(this.#sequence());
    }
    return this.#pick(choices);
  }

  #sequence(): string {
    let text = '';
    for (;;) {
      const next = this.#peek();
      if (next === undefined || next === '|' || next === ')') return text;
      text += this.#repeated();
    }
  }

  /** One atom with its quantifier; the atom is sampled afresh for each repeat. */
  #repeated(): string {
    const start = this.#at;
    let text = this.#atom();
    const end = this.#at;
    const [least, most] = this.#quantifier();
    const after = this.#at;
    const times = least + Math.floor(this.#random() * (most - least + 1));
    if (times === 0) return '';
    for (let count = 1; count < times; count += 1) {
      this.#at = start;
      text += this.#atom();
    }
    this.#at = times > 1 ? after : Math.max(after, end);
    return text;
  }

  #atom(): string {
    const char = this.#take();
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return this.#class();
      case '\\':
        return this.#escape(this.#take());
      case '.':
        return this.#pick([...ANY]);
      case '^':
      case '$':
        return '';
      default:
        return char;
    }
  }

  #group(): string {
    if (this.#peek() === '?') {
      this.#at += 1;
      const named = /^<\w+>/.exec(this.#pattern.slice(this.#at));
      if (named !== null) this.#at += named[0].length;
      else if (this.#take() !== ':') this.#known = false;
    }
    const text = this.#alternatives();
    if (this.#take() !== ')') this.#known = false;
    return text;
  }

  #class(): string {
    const negated = this.#peek() === '^';
    if (negated) this.#at += 1;
    const members: string[] = [];
    while (this.#peek() !== ']') {
      const first = this.#member();
      if (first === undefined) return '';
      const isRange = this.#peek() === '-' && this.#pattern[this.#at + 1] !== ']';
      if (first.length > 1 || !isRange) {
        members.push(...first);
        continue;
      }
      this.#at += 1;
      const last = this.#member() ?? first;
      for (let code = first.charCodeAt(0); code <= last.charCodeAt(0); code += 1) {
        members.push(String.fromCharCode(code));
      }
    }
    this.#at += 1;
    return this.#pick(negated ? [...without(members.join(''))] : members);
  }

  #member(): string | undefined {
    const char = this.#take();
    if (char === '') {
      this.#known = false;
      return undefined;
    }
    if (char !== '\\') return char;
    const escaped = this.#take();
    return this.#property(escaped) ?? CLASSES[escaped] ?? escaped;
  }

  #escape(char: string): string {
    const set = this.#property(char) ?? CLASSES[char];
    if (set !== undefined) return this.#pick([...set]);
    if (char === 'b') return '';
    if (/[a-zA-Z0-9]/.test(char) || char === '') this.#known = false;
    return char;
  }

  /** What stands for a property of Unicode, `\p{L}`: letters and digits. */
  #property(escaped: string): string | undefined {
    const found = escaped === 'p' ? PROPERTY.exec(this.#pattern.slice(this.#at)) : null;
    if (found === null) return undefined;
    this.#at += found[0].length;
    return ANY;
  }

  #quantifier(): readonly [number, number] {
    const next = this.#peek();
    if (next === '?') return this.#bounds(1, 0, 1);
    if (next === '*') return this.#bounds(1, 0, MOST_REPEATS);
    if (next === '+') return this.#bounds(1, 1, 1 + MOST_REPEATS);
    const found = /^\{(\d+)(,(\d*))?\}/.exec(this.#pattern.slice(this.#at));
    if (found === null) return [1, 1];
    const least = Number(found[1]);
    const open = found[3] === '' ? least + MOST_REPEATS : Number(found[3]);
    return this.#bounds(found[0].length, least, found[2] === undefined ? least : open);
  }

  #bounds(length: number, least: number, most: number): readonly [number, number] {
    this.#at += length;
    if (this.#peek() === '?') this.#at += 1;
    return [least, most];
  }

  #pick<T>(choices: readonly T[]): T {
    const chosen = choices[Math.floor(this.#random() * choices.length)];
    if (chosen === undefined) throw new RangeError('nothing to choose from');
    return chosen;
  }

  #peek(): string | undefined {
    return this.#pattern[this.#at];
  }

  #take(): string {
    const char = this.#pattern[this.#at] ?? '';
    this.#at += 1;
    return char;
  }
}

function without(characters: string): string {
  return [...PRINTABLE].filter((char) => !characters.includes(char)).join('');
}
