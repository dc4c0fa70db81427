import { setImmediate as turn } from 'node:timers/promises';
import { corruptShard } from '../shards/format.ts';
import { type ShardPaths, shardPaths } from '../shards/paths.ts';
import { type LineSource, openRecords, openRequests, type RowPlaces } from './line-sources.ts';
import { ShardRow } from './shard-rows.ts';

/** Other work of the process waits no longer than this, and the time that one row takes. */
const TURN_AFTER = 4; // ms

/**
 * Calls `visit` for the rows of a sealed shard that `wanted` names by their place, from 0 and in
 * order, and awaits it where it gives a promise. Reads only where they lie, as far as that is known, and
 * no further than to the last of them; others have their turn while it reads and, at the latest, every
 * few milliseconds. Throws `corrupt_shard`, naming the file and the line, when the files are not as they
 * were sealed.
 */
export async function forRows(
  directory: string,
  name: string,
  places: RowPlaces,
  wanted: Iterable<number>,
  visit: (row: ShardRow, place: number) => void | Promise<void>,
): Promise<void> {
  const seeker = await RowSeeker.open(shardPaths(directory, name), places);
  try {
    let turned = performance.now();
    for (const place of wanted) {
      const found = seeker.seek(place);
      const visited = visit(found instanceof Promise ? await found : found, place);
      if (visited !== undefined) await visited;
      if (performance.now() - turned < TURN_AFTER) continue;
      await turn();
      turned = performance.now();
    }
  } finally {
    await seeker.close();
  }
}

/** Goes from row to row, up through both files. */
class RowSeeker {
  readonly #paths: ShardPaths;
  readonly #requests: LineSource;
  readonly #records: LineSource;
  readonly #row: ShardRow;

  private constructor(paths: ShardPaths, requests: LineSource, records: LineSource) {
    this.#paths = paths;
    this.#requests = requests;
    this.#records = records;
    this.#row = new ShardRow(requests.line, records.line);
  }

  static async open(paths: ShardPaths, places: RowPlaces): Promise<RowSeeker> {
    const requests = await openRequests(paths.requests, places);
    try {
      return new RowSeeker(paths, requests, await openRecords(paths.records, places));
    } catch (error) {
      await requests.close();
      throw error;
    }
  }

  /** The row at `place`, behind the last one; valid until the next call. */
  seek(place: number): ShardRow | Promise<ShardRow> {
    const inRequests = this.#requests.goTo(place);
    const inRecords = this.#records.goTo(place);
    if (typeof inRequests === 'boolean' && typeof inRecords === 'boolean') {
      return this.#read(place, inRequests, inRecords);
    }
    return this.#awaited(place, inRequests, inRecords);
  }

  async close(): Promise<void> {
    await this.#requests.close();
    await this.#records.close();
  }

  /** Both files are read side by side; neither read is left behind when the other fails. */
  async #awaited(
    place: number,
    inRequests: boolean | Promise<boolean>,
    inRecords: boolean | Promise<boolean>,
  ): Promise<ShardRow> {
    await Promise.allSettled([inRequests, inRecords]);
    return this.#read(place, await inRequests, await inRecords);
  }

  #read(place: number, inRequests: boolean, inRecords: boolean): ShardRow {
    const { requests, records } = this.#paths;
    const row = this.#row;
    const line = place + 1;
    if (!inRequests) throw corruptShard(requests, line, 'the line is missing');
    if (!inRecords) throw corruptShard(records, line, 'the line is missing');
    if (!row.readRequest()) throw corruptShard(requests, line, 'this is no request line');
    if (!row.readRecord()) throw corruptShard(records, line, 'this is no record line');
    return row;
  }
}
