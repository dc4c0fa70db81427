import type { BatchRecord } from '../records.ts';
import { WireError } from './errors.ts';

type Test = (batch: BatchRecord) => boolean;

const TOKENS = /\s*(?:(\(|\))|'((?:[^']|'')*)'|([\w.:+-]+))/y;
const OPERATORS = ['eq', 'ne', 'gt', 'ge', 'lt', 'le'] as const;
type Operator = (typeof OPERATORS)[number];

/**
 * Reads a `$filter` of the preview: comparisons of `created_at` and `status` with eq, ne, gt, ge, lt
 * and le, joined by `and` and `or`, with parentheses. Refuses anything else.
 */
export function parseFilter(text: unknown): Test {
  // A query that gives it twice has a list.
  if (typeof text !== 'string') throw refusal();
  return new FilterParser(tokensOf(text)).parse();
}

/** Reads `$orderby`: `created_at`, with `asc` (the default) or `desc`. */
export function parseOrder(text: string): (one: BatchRecord, other: BatchRecord) => number {
  const found = /^\s*created_at(?:\s+(asc|desc))?\s*$/i.exec(text);
  if (found === null) throw new WireError('invalidParameter', { param: '$orderby' });
  const direction = found[1]?.toLowerCase() === 'desc' ? -1 : 1;
  return (one, other) => direction * (one.createdAt - other.createdAt || one.number - other.number);
}

interface Token {
  readonly text: string;
  readonly quoted: boolean;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKENS.lastIndex = 0;
  const end = text.trimEnd().length;
  while (TOKENS.lastIndex < end) {
    const found = TOKENS.exec(text);
    if (found === null) throw refusal();
    const quoted = found[2] !== undefined;
    tokens.push({ text: quoted ? String(found[2]) : String(found[1] ?? found[3]), quoted });
  }
  return tokens;
}

class FilterParser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Test {
    const test = this.#either();
    if (this.#at < this.#tokens.length) throw refusal();
    return test;
  }

  #either(): Test {
    const tests = [this.#both()];
    while (this.#takes('or')) tests.push(this.#both());
    return (batch) => tests.some((test) => test(batch));
  }

  #both(): Test {
    const tests = [this.#one()];
    while (this.#takes('and')) tests.push(this.#one());
    return (batch) => tests.every((test) => test(batch));
  }

  #one(): Test {
    if (this.#takes('(')) {
      const test = this.#either();
      if (!this.#takes(')')) throw refusal();
      return test;
    }
    const field = this.#next().text;
    const word = this.#next().text;
    const operator = OPERATORS.find((name) => name === word.toLowerCase());
    if (operator === undefined) throw refusal();
    const value = this.#next();
    if (field === 'created_at') return timeTest(operator, value);
    if (field === 'status') return statusTest(operator, value.text);
    throw refusal();
  }

  #takes(word: string): boolean {
    const next = this.#tokens[this.#at];
    if (next === undefined || next.quoted || next.text.toLowerCase() !== word) return false;
    this.#at += 1;
    return true;
  }

  #next(): Token {
    const next = this.#tokens[this.#at];
    if (next === undefined) throw refusal();
    this.#at += 1;
    return next;
  }
}

/** Seconds since the epoch, or a time in ISO 8601. */
function timeTest(operator: Operator, { text }: Token): Test {
  const wanted = /^\d+$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000);
  if (Number.isNaN(wanted)) throw refusal();
  return (batch) => holds(operator, Math.floor(batch.createdAt / 1000) - wanted);
}

function statusTest(operator: Operator, text: string): Test {
  if (operator !== 'eq' && operator !== 'ne') throw refusal();
  const wanted = folded(text);
  return (batch) => (folded(batch.status) === wanted) === (operator === 'eq');
}

/** `InProgress`, `in_progress` and `Canceled` are what they mean. */
function folded(status: string): string {
  return status
    .toLowerCase()
    .replaceAll('_', '')
    .replace(/^cancel(ed|ing)$/, 'cancell$1');
}

function holds(operator: Operator, difference: number): boolean {
  switch (operator) {
    case 'eq':
      return difference === 0;
    case 'ne':
      return difference !== 0;
    case 'gt':
      return difference > 0;
    case 'ge':
      return difference >= 0;
    case 'lt':
      return difference < 0;
    case 'le':
      return difference <= 0;
  }
}

function refusal(): WireError {
  return new WireError('invalidParameter', { param: '$filter' });
}
