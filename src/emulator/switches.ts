import { UsageError } from '../core/errors.ts';
import { PROFILES, type Switches } from './profiles.ts';

/**
 * Reads switches from `name=value` texts, as a command line has them. A value is JSON
 * (`zeroByteErrorFile=false`, `pendingSeconds=[0,0]`) or a bare word (`timestamps=iso`). Throws a
 * UsageError for a name that is none and for a value of another kind.
 */
export function parseSwitches(texts: readonly string[]): Partial<Switches> {
  const entries = texts.map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageError(`switch ${text} has no value; write name=value`);
    return [text.slice(0, at), readValue(text.slice(at + 1))] as const;
  });
  const switches = Object.fromEntries(entries);
  checkSwitches(switches);
  return switches as Partial<Switches>;
}

/** Refuses what is no switch, and values whose kind is not that of the switch. */
export function checkSwitches(given: Readonly<Record<string, unknown>>): void {
  const samples = Object.values(PROFILES).map((profile) => new Map(Object.entries(profile)));
  for (const [name, value] of Object.entries(given)) {
    if (samples.some((profile) => !profile.has(name))) {
      throw new UsageError(`there is no switch ${name}; docs/emulator.md lists them`);
    }
    const kinds = new Set(samples.map((profile) => kindOf(profile.get(name))));
    if (!kinds.has(kindOf(value))) {
      throw new UsageError(`switch ${name} must be a ${[...kinds].join(' or ')}`);
    }
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'list' : typeof value;
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A bare word: most switches choose between names.
    return text;
  }
}
