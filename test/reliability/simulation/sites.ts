import type { Shard } from '../../../src/core/job.ts';
import type { Target } from '../../../src/core/service.ts';
import { type Manner, refused, SimService, unsent } from './service.ts';
import type { World } from './world.ts';

/** The code of a call whose caller has lost its role. */
export const REVOKED = 'forbidden';

/** One resource of a simulated job: a target, its service, and the ways of that. */
export interface Site {
  readonly target: Target;
  readonly service: SimService;
  readonly ways: Manner;
}

export interface SiteOptions {
  /** A storm is that of one service. */
  readonly storm: boolean;
  readonly manner: Partial<Manner>;
  /** True tokens of a shard. */
  readonly tokensOf: (shard: string) => number;
}

/**
 * One site, or now and then two, of which one may be out of reach, or its role revoked, for a part of
 * the faulty time.
 */
export function sitesOf(world: World, shards: readonly Shard[], options: SiteOptions): Site[] {
  const sites = [siteOf('default', world, shards, options)];
  if (options.storm || !world.chance(0.35)) return sites;
  const second = siteOf('second', world, shards, options);
  if (world.chance(0.5)) {
    const from = world.now + world.random() * (world.faultsEndAt - world.now);
    const until = from + world.random() * (world.faultsEndAt - from);
    const failure = world.chance(0.5) ? unsent() : refused(403, REVOKED, false);
    second.service.weather = () => (world.now >= from && world.now < until ? failure : null);
  }
  return [...sites, second];
}

function siteOf(
  name: string,
  world: World,
  shards: readonly Shard[],
  { manner, tokensOf }: SiteOptions,
): Site {
  const ways = { ...mannerOf(world, shards), ...manner };
  const service = new SimService(name, world, ways, tokensOf);
  const enqueuedTokens = world.chance(0.8) ? ways.limit : null;
  return { service, ways, target: { name, service, deployment: null, enqueuedTokens } };
}

/** A quota that the largest shard fits into, and a service with its own ways. */
function mannerOf(world: World, shards: readonly Shard[]): Manner {
  const largest = Math.max(...shards.map(({ tokens }) => Math.ceil(tokens * 1.64)));
  const limit = Math.ceil(largest * world.between(0.8, 3.5));
  return {
    limit,
    order: world.pick(['newest', 'oldest', 'shuffled'] as const),
    refuses: world.chance(0.5),
    honoursRange: world.chance(0.5),
    foreign: world.chance(0.3) ? world.random() * limit : 0,
    maxFiles: world.pick([3, 6, 40]),
    talkative: world.chance(0.5),
  };
}
