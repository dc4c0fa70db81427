import type { Shard, TargetRow } from '../core/job.ts';
import type { Target } from '../core/service.ts';
import type { Transaction } from '../core/store.ts';
import { type Context, heldTokensOf, isHealthyElsewhere, waitUntil } from './context.ts';
import { hardLimit, limitNow } from './quota.ts';

/** A target that takes shards now, and what of it is taken. */
interface Place {
  readonly target: Target;
  readonly hard: number;
  readonly limit: number;
  readonly weight: number;
  held: number;
  /** It has had to turn one away: those behind that one do not overtake it here. */
  full: boolean;
}

/**
 * The targets that take shards now, each filled in proportion to its quota and weight (to its weight
 * alone where a quota is not known). Lives for one transaction.
 */
export class Pool {
  readonly #places: readonly Place[];
  /** Targets that take none now, and will again. */
  readonly #closed: readonly Pick<Place, 'target' | 'hard'>[];
  /** Input files that each resource has room for. */
  readonly #slots: Map<string, number>;

  private constructor(
    places: readonly Place[],
    closed: readonly Pick<Place, 'target' | 'hard'>[],
    slots: Map<string, number>,
  ) {
    this.#places = places;
    this.#closed = closed;
    this.#slots = slots;
  }

  static async open(tx: Transaction, context: Context): Promise<Pool> {
    const places: Place[] = [];
    const closed: Pick<Place, 'target' | 'hard'>[] = [];
    const slots = new Map<string, number>();
    const holds = await tx.openHolds();
    const rows = await tx.targets();
    for (const target of context.targets.values()) {
      const row = rows.find(({ name }) => name === target.name);
      if (row === undefined || row.drained !== null) continue;
      const { resource, dialect } = target.service;
      const ours = holds.filter(
        (hold) => context.targets.get(hold.target)?.service.resource === resource,
      );
      slots.set(resource, dialect.maxFiles - row.othersFiles - ours.length);
      const opensAt = Math.max(row.retryAt, restOf(row, rows, context));
      if (waitUntil(context, opensAt) > 0) {
        await tx.putTask('grant', target.name, opensAt);
        closed.push({ target, hard: hardLimit(row) });
        continue;
      }
      places.push({
        target,
        hard: hardLimit(row),
        limit: limitNow(row),
        weight: target.weight ?? 1,
        held: await tx.heldTokens(target.name),
        full: false,
      });
    }
    return new Pool(places, closed, slots);
  }

  /** Whether no target takes anything more now. */
  get isFull(): boolean {
    return this.#places.every(({ full }) => full);
  }

  /** Whether a file waits for a slot rather than for tokens: names the resources. */
  get withoutSlots(): string[] {
    return [...this.#slots].flatMap(([resource, slots]) => (slots <= 0 ? [resource] : []));
  }

  /**
   * Takes room for the shard where there is the most of it. `none`: no target has it now. `never`:
   * none of them could ever take it as it is.
   */
  take(shard: Shard): { readonly target: Target; readonly tokens: number } | 'none' | 'never' {
    const able = this.#places.filter((place) => canEverTake(place, shard));
    if (able.length === 0) {
      if (this.#places.length === 0) return 'none';
      return this.#closed.some((place) => canEverTake(place, shard)) ? 'none' : 'never';
    }
    const limited = this.#places.every(({ hard }) => Number.isFinite(hard));
    let best: { place: Place; tokens: number; load: number } | null = null;
    for (const place of able) {
      if (place.full) continue;
      const tokens = heldTokensOf(shard, place.target);
      const slots = this.#slots.get(place.target.service.resource) ?? 0;
      // One alone always goes, or a limit that was learned too low would never be left.
      if (slots <= 0 || (place.held > 0 && place.held + tokens > place.limit)) {
        place.full = true;
        continue;
      }
      const capacity = place.weight * (limited ? place.limit : 1);
      const load = (place.held + tokens) / capacity;
      if (best === null || load < best.load) best = { place, tokens, load };
    }
    if (best === null) return 'none';
    const { place, tokens } = best;
    const { resource } = place.target.service;
    place.held += tokens;
    this.#slots.set(resource, (this.#slots.get(resource) ?? 0) - 1);
    return { target: place.target, tokens };
  }
}

/** Whether the quota and the files of the target's service are large enough for the shard alone. */
function canEverTake({ target, hard }: Pick<Place, 'target' | 'hard'>, shard: Shard): boolean {
  const { maxRequestsPerFile, maxFileBytes } = target.service.dialect;
  return (
    heldTokensOf(shard, target) <= hard &&
    shard.requests <= maxRequestsPerFile &&
    shard.bytes <= maxFileBytes
  );
}

/** Until when a target is left alone: only while another one is there to take its shards. */
function restOf(row: TargetRow, rows: readonly TargetRow[], context: Context): number {
  return isHealthyElsewhere(rows, row.name, context) ? row.restUntil : 0;
}
