import { UsageError } from '../../core/errors.ts';

/** Flags by their names in camel case, as they were typed; absent ones are undefined. */
export type Flags = Readonly<Record<string, unknown>>;

/** Refuses two flags that cannot stand together, naming both. `why` ends the sentence. */
export function refusePair(flags: Flags, first: string, second: string, why: string): void {
  if (given(flags, first) && given(flags, second)) {
    throw new UsageError(`${first} and ${second} cannot stand together: ${why}`);
  }
}

/** Whether a flag such as `--max-cost` was given. */
export function given(flags: Flags, flag: string): boolean {
  const name = flag
    .replace(/^--/, '')
    .replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  const value = flags[name];
  return value !== undefined && value !== false;
}
