import { UsageError } from '../core/errors.ts';

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60 * 1000,
  h: 60 * 60 * 1000,
  d: 24 * 60 * 60 * 1000,
};

const SIZE_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

const COUNTS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, b: 1e9 };

/** `250ms`, `90s`, `15m`, `24h`, `7d` in ms. `flag` names the option in the error. */
export function durationMs(text: string, flag: string): number {
  return quantity(text, flag, DURATION_MS, 'a duration', '250ms, 90s, 15m, 24h or 7d');
}

/** A time so long ago (`24h`), or an ISO time (`2026-11-22T10:00Z`), in ms since the epoch. */
export function instant(text: string, flag: string, now = Date.now()): number {
  const at = /^\d{4}-\d{2}/.test(text.trim()) ? Date.parse(text.trim()) : Number.NaN;
  if (Number.isFinite(at)) return at;
  return now - quantity(text, flag, DURATION_MS, 'a time', '2026-11-22T10:00Z, 90m or 24h');
}

/** `200MB`, `1GiB`, `65536` in bytes. */
export function sizeBytes(text: string, flag: string): number {
  return quantity(text, flag, SIZE_BYTES, 'a size', '200MB, 1GiB or a number of bytes');
}

/** `250`, `50k`, `1.5M`, `5B`: k, M and B are thousands, millions and billions. */
export function count(text: string, flag: string): number {
  return quantity(text, flag, COUNTS, 'a count', '250, 50k, 1.5M or 5B');
}

/** A sum of money such as `25` or `2.50`, above zero. */
export function money(text: string, flag: string): number {
  const value = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : 0;
  if (value > 0) return value;
  throw new UsageError(`${flag} "${text}" is not a sum of money: write it as 25 or 2.50`);
}

/** A multiple such as `600` or `0.5`, above zero. */
export function factor(text: string, flag: string): number {
  const value = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : 0;
  if (value > 0) return value;
  throw new UsageError(`${flag} "${text}" is not a number above zero`);
}

/** The value of an option that only some words are allowed for. */
export function oneOf<const Words extends readonly string[]>(
  text: string,
  flag: string,
  words: Words,
): Words[number] {
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new UsageError(`${flag} "${text}" is not known: it is one of ${words.join(', ')}`);
}

function quantity(
  text: string,
  flag: string,
  units: Readonly<Record<string, number>>,
  what: string,
  examples: string,
): number {
  const match = /^(?<number>\d+(?:\.\d+)?|\.\d+)\s*(?<unit>[a-z]*)$/i.exec(text.trim());
  const unit = match?.groups?.unit?.toLowerCase() ?? '';
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  const value = Math.round(Number(match?.groups?.number) * (factor ?? Number.NaN));
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new UsageError(`${flag} "${text}" is not ${what}: write it as ${examples}`);
}
