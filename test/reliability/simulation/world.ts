import type { Clock, Random } from '../../../src/core/clock.ts';
import type { Store } from '../../../src/core/store.ts';

/** The process dies here: nothing after it runs, and what is in memory is gone. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

export interface Odds {
  /** Of a fault at each call, while faults go on. */
  readonly fault: number;
  /** Of a death at each point, while faults go on. */
  readonly crash: number;
  /** Of another step that runs while a call waits for its answer. */
  readonly interleave: number;
  /** That the clock is set, or the machine sleeps, at each point, while faults go on. */
  readonly jump: number;
}

const MINUTE_MS = 60 * 1000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Time, chance and death of one run, all from its seed. */
export class World {
  /** Milliseconds of the service's clock. */
  now = Date.UTC(2026, 10, 1);
  /** How far the client's clock is off. */
  skewMs = 0;
  /** Faults end here, so that the run can show that it recovers. A sleep puts it off. */
  faultsEndAt: number;
  crashes = 0;
  /** How often the client's clock was set while it ran. */
  jumps = 0;
  sleeps = 0;
  /** When it woke last. */
  wokeAt = Number.NEGATIVE_INFINITY;
  /** Transactions so far: nothing in the store changes but by one. */
  commits = 0;
  /** Runs another step that is due, or nothing. */
  interleave: () => Promise<void> = async () => undefined;
  readonly random: Random;
  readonly #odds: Odds;
  #dead = false;

  constructor(random: Random, odds: Odds, faultsMs: number) {
    this.random = random;
    this.#odds = odds;
    this.faultsEndAt = this.now + faultsMs;
  }

  get faulty(): boolean {
    return this.now < this.faultsEndAt;
  }

  readonly clock: Clock = {
    now: () => Math.floor(this.now + this.skewMs),
    sleep: async (ms) => {
      this.now += ms;
    },
  };

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  between(low: number, high: number): number {
    return low + this.random() * (high - low);
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }

  fault(): boolean {
    return this.faulty && this.chance(this.#odds.fault);
  }

  /** A place where the process may die, or another step may run in between. */
  async point(): Promise<void> {
    this.alive();
    if (this.faulty && this.chance(this.#odds.crash)) {
      this.#dead = true;
      this.crashes += 1;
      throw new Crash();
    }
    if (this.faulty && this.chance(this.#odds.jump)) this.#disturb();
    if (this.chance(this.#odds.interleave)) await this.interleave();
    this.alive();
  }

  /** Between two instants of the process, its clock is set or the lid of the laptop was closed. */
  #disturb(): void {
    const ms = MINUTE_MS * (DAY_MS / MINUTE_MS) ** this.random();
    if (this.chance(0.3)) {
      this.sleeps += 1;
      this.now += ms;
      this.faultsEndAt += ms;
      this.wokeAt = this.now;
    } else {
      this.jumps += 1;
      this.skewMs += this.chance(0.5) ? ms : -ms;
    }
  }

  /** Throws once the process is dead: its other steps end here too. */
  alive(): void {
    if (this.#dead) throw new Crash();
  }

  /** A new process; now and then on a clock that was set. */
  reborn(): void {
    this.#dead = false;
    if (this.faulty && this.chance(0.1)) this.skewMs += this.between(-1, 1) * 26 * 3600 * 1000;
  }

  /** The store, with a death possible before and after every commit. */
  mortal(store: Store): Store {
    return {
      read: (fn) => {
        this.alive();
        return store.read(fn);
      },
      transaction: async (fn) => {
        await this.point();
        const result = await store.transaction(fn);
        this.commits += 1;
        this.alive();
        if (this.faulty && this.chance(this.#odds.crash)) {
          this.#dead = true;
          this.crashes += 1;
          throw new Crash();
        }
        return result;
      },
      close: () => store.close(),
    };
  }
}
