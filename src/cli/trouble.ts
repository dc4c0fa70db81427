import type { EventRow } from '../core/job.ts';
import type { Store } from '../core/store.ts';

const EVENTS_AT_ONCE = 1000;
/** A step that came through says nothing of its own: one that is silent for so long is forgotten. */
const FORGOTTEN_MS = 2 * 60 * 1000; // 2 min beyond its next try

/** The job's log behind a line of it, in order. */
export async function* eventsAfter(store: Store, seq: number): AsyncGenerator<EventRow> {
  let after = seq;
  for (;;) {
    const events = await store.read((tx) => tx.events(after, EVENTS_AT_ONCE));
    yield* events;
    after = events.at(-1)?.seq ?? after;
    if (events.length < EVENTS_AT_ONCE) return;
  }
}

/**
 * What keeps failing and is tried again, read from the job's log: a run that waits for a network or
 * a service says why. Later news of its subject ends it.
 */
export class Trouble {
  readonly #store: Store;
  #seq = 0;
  #last: EventRow | null = null;

  constructor(store: Store) {
    this.#store = store;
  }

  /** In words, or null when nothing is known to fail at the moment. */
  async read(now: number): Promise<string | null> {
    for await (const event of eventsAfter(this.#store, this.#seq)) {
      this.#seq = event.seq;
      if (event.type === 'step_failed') this.#last = event;
      else if (this.#last !== null && ends(event, this.#last)) this.#last = null;
    }
    if (this.#last === null) return null;
    const { at, detail } = this.#last;
    if (now > at + Number(detail.wait_ms ?? 0) + FORGOTTEN_MS) return null;
    const reason = typeof detail.reason === 'string' ? `: ${detail.reason}` : '';
    const what =
      detail.code === 'connect_failed'
        ? `the service cannot be reached${reason}`
        : `${detail.task} fails`;
    return `${what} (${detail.code}); it is tried again`;
  }
}

/** Whatever a poll brings is news of its shards, not of the resource that was polled. */
function ends(event: EventRow, failed: EventRow): boolean {
  return event.subject === failed.subject || failed.detail.task === 'poll';
}
