import { type Random, seededRandom } from '../../core/clock.ts';
import { hash } from '../answers/words.ts';
import type {
  BatchAction,
  BatchRule,
  Call,
  CallAction,
  CallRule,
  FaultRule,
  FaultScript,
  FileAction,
  FileRule,
  LineAction,
  LineRule,
  OutputAction,
  OutputRule,
  When,
} from './rules.ts';

/**
 * Decides which rules act. Calls are counted in this process. What befalls files, batches and lines
 * depends only on the seed, the rule and their numbers and ids, so that a restarted emulator
 * decides the same again.
 */
export class Faults {
  readonly #seed: number;
  #rules: readonly Counted[] = [];

  constructor(script: FaultScript, seed: number) {
    this.#seed = seed;
    this.replace(script);
  }

  /** Puts other rules in the place of the present ones; counts begin anew. */
  replace(script: FaultScript): void {
    this.#rules = (script.rules ?? []).map((rule, index) => new Counted(rule, index, this.#seed));
  }

  /** How often each rule has acted, in the order of the script. */
  hits(): number[] {
    return this.#rules.map((rule) => rule.hits);
  }

  forCall(call: Call): CallAction[] {
    return this.#acting<CallRule>(
      (rule) =>
        rule.on === '*' || rule.on === call || (Array.isArray(rule.on) && rule.on.includes(call)),
      (counted) => counted.occurs(),
    );
  }

  forFile(number: number): FileAction[] {
    return this.#acting<FileRule>(
      (rule) => rule.on === 'file',
      (counted) => counted.befalls(number, `file ${number}`),
    );
  }

  forBatch(number: number): BatchAction[] {
    return this.#acting<BatchRule>(
      (rule) => rule.on === 'batch',
      (counted) => counted.befalls(number, `batch ${number}`),
    );
  }

  forOutput(batch: number): OutputAction[] {
    return this.#acting<OutputRule>(
      (rule) => rule.on === 'output' && includes(rule.batch, batch),
      (counted) => counted.befalls(batch, `output ${batch}`),
    );
  }

  forLine(batch: number, line: number, customId: string): LineAction[] {
    return this.#acting<LineRule>(
      (rule) =>
        rule.on === 'line' &&
        includes(rule.batch, batch) &&
        (rule.customIds === undefined || rule.customIds.includes(customId)),
      (counted) => counted.befalls(line, `line ${batch} ${customId}`, customId),
    );
  }

  /** Whether any rule is about lines: the answers of 100,000 requests are not asked one by one else. */
  get touchesLines(): boolean {
    return this.#rules.some((counted) => counted.rule.on === 'line');
  }

  #acting<R extends FaultRule>(
    matches: (rule: R) => boolean,
    acts: (counted: Counted) => boolean,
  ): R[] {
    const acting: R[] = [];
    for (const counted of this.#rules) {
      // `matches` looks at `on`, which tells the kinds of rules apart.
      const rule = counted.rule as R;
      if (matches(rule) && acts(counted)) acting.push(rule);
    }
    return acting;
  }
}

/** A rule and what has come of it. */
class Counted {
  readonly rule: FaultRule;
  hits = 0;
  readonly #index: number;
  readonly #seed: number;
  readonly #random: Random;
  #occasions = 0;

  constructor(rule: FaultRule, index: number, seed: number) {
    this.rule = rule;
    this.#index = index;
    this.#seed = seed;
    this.#random = seededRandom(hash(`rule ${index}`, seed));
  }

  /** One more occasion that is counted here. */
  occurs(): boolean {
    this.#occasions += 1;
    const { probability, count } = this.rule;
    if (!inTime(this.rule, this.#occasions)) return false;
    if (count !== undefined && this.hits >= count) return false;
    if (probability !== undefined && this.#random() >= probability) return false;
    this.hits += 1;
    return true;
  }

  /** An occasion that has a number of its own. */
  befalls(number: number, name: string, customId?: string): boolean {
    const { probability, count = Infinity } = this.rule;
    if (!inTime(this.rule, number)) return false;
    // So many from the first that may, told from the occasion itself, so that a restart agrees.
    if (probability === undefined && rankOf(this.rule, number, customId) > count) return false;
    if (probability !== undefined && this.hits >= count) return false;
    if (probability !== undefined) {
      const random = seededRandom(hash(`${this.#index} ${name}`, this.#seed));
      if (random() >= probability) return false;
    }
    this.hits += 1;
    return true;
  }
}

/** Which of the occasions that may this is, from 1: of the named numbers or ids, or of all after some. */
function rankOf(rule: When, number: number, customId: string | undefined): number {
  const { nth, after = 0, customIds } = rule;
  if (customId !== undefined && customIds !== undefined) return customIds.indexOf(customId) + 1;
  if (nth === undefined) return number - after;
  const named = typeof nth === 'number' ? [nth] : nth;
  return named.filter((one) => one > after && one <= number).length;
}

function inTime({ nth, after = 0 }: When, occasion: number): boolean {
  return occasion > after && includes(nth, occasion);
}

function includes(wanted: number | readonly number[] | undefined, number: number): boolean {
  if (wanted === undefined) return true;
  return typeof wanted === 'number' ? wanted === number : wanted.includes(number);
}
