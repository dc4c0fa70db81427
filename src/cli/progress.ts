import type { Store } from '../core/store.ts';
import { type JobStatus, readStatus } from '../jobs/status.ts';
import { type Moment, progressBlock, progressLine, samePlace } from './screen/progress-lines.ts';
import { type Screen, styleOf } from './screen/style.ts';
import { eventsAfter, Trouble } from './trouble.ts';

const LIVE_MS = 200; // 0.2 s: smooth on a terminal
const LOG_MS = 3 * 1000; // 3 s: a line in a log
const EVENTS_MS = 200; // 0.2 s

/** Of all rows: what must have come back in this run before the rest is told from their pace. */
const LEAST_PART = 1 / 5;

export interface ProgressOptions {
  readonly screen: Screen;
  /** Events as lines instead of words for people. */
  readonly json: boolean;
  readonly free: boolean;
}

/** What a run shows of itself on standard error while it works. */
export interface Progress {
  /** Says something beside the running display. */
  note(message: string): void;
  /** Ends the display and leaves the screen clean. */
  stop(): Promise<void>;
}

/** Follows a job's store until it is stopped: a block kept up to date, lines, or events as JSON. */
export async function startProgress(store: Store, options: ProgressOptions): Promise<Progress> {
  if (options.json) return EventStream.start(store, options.screen);
  const first = await store.read(readStatus);
  return options.screen.isTTY
    ? new Display(store, options, first, LIVE_MS, liveBlock(options.screen))
    : new Display(store, options, first, LOG_MS, logLine(options.screen));
}

interface Painter {
  paint(moment: Moment): void;
  /** Takes the display off the screen. */
  clear(): void;
}

class Display implements Progress {
  readonly #store: Store;
  readonly #options: ProgressOptions;
  readonly #painter: Painter;
  readonly #first: JobStatus;
  readonly #begun = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #trouble: Trouble;
  #reading: Promise<void> = Promise.resolve();
  #busy = false;

  constructor(
    store: Store,
    options: ProgressOptions,
    first: JobStatus,
    everyMs: number,
    painter: Painter,
  ) {
    this.#store = store;
    this.#options = options;
    this.#first = first;
    this.#painter = painter;
    this.#trouble = new Trouble(store);
    this.#timer = setInterval(() => this.#tick(), everyMs);
    // Reading and counting may keep the process busy for a while before the first tick.
    if (options.screen.isTTY) painter.paint(this.#moment(first, null));
  }

  note(message: string): void {
    this.#painter.clear();
    this.#options.screen.write(`${message}\n`);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reading;
    this.#painter.clear();
  }

  #tick(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#reading = this.#paint()
      // The work itself meets the same failure and reports it.
      .catch(() => clearInterval(this.#timer))
      .finally(() => {
        this.#busy = false;
      });
  }

  async #paint(): Promise<void> {
    const status = await this.#store.read(readStatus);
    const trouble = await this.#trouble.read(Date.now());
    this.#painter.paint(this.#moment(status, trouble));
  }

  #moment(status: JobStatus, trouble: string | null): Moment {
    const elapsedMs = performance.now() - this.#begun;
    const before = this.#first.ok + this.#first.failed;
    const rows = status.ok + status.failed - before;
    const known = status.state === 'running' && rows >= status.records * LEAST_PART;
    return {
      status,
      elapsedMs,
      leftMs: known && status.pending > 0 ? (elapsedMs / rows) * status.pending : null,
      free: this.#options.free,
      trouble,
    };
  }
}

/** Rewrites its own lines in place. */
function liveBlock(screen: Screen): Painter {
  let painted = 0;
  // From the first column: a terminal echoes ^C where the cursor is.
  const back = () => (painted > 0 ? `\r\x1b[${painted}A` : '');
  const clear = () => {
    if (painted > 0) screen.write(`${back()}\x1b[J`);
    painted = 0;
  };
  return {
    clear,
    paint(moment) {
      const lines = progressBlock(moment, styleOf(screen));
      screen.write(`${back()}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
      painted = lines.length;
    },
  };
}

/** A line each time that something changed. */
function logLine(screen: Screen): Painter {
  let last: Moment | null = null;
  return {
    clear: () => undefined,
    paint(moment) {
      if (last !== null && samePlace(last, moment)) return;
      last = moment;
      screen.write(`${progressLine(moment)}\n`);
    },
  };
}

/** The job's own events from now on, a JSON line each. */
class EventStream implements Progress {
  readonly #store: Store;
  readonly #screen: Screen;
  readonly #timer: NodeJS.Timeout;
  #seq: number;
  #turn: Promise<void> = Promise.resolve();

  static async start(store: Store, screen: Screen): Promise<EventStream> {
    let seq = 0;
    for await (const event of eventsAfter(store, 0)) seq = event.seq;
    return new EventStream(store, screen, seq);
  }

  private constructor(store: Store, screen: Screen, seq: number) {
    this.#store = store;
    this.#screen = screen;
    this.#seq = seq;
    this.#timer = setInterval(() => {
      // The work itself meets the same failure and reports it.
      this.#turn = this.#turn.then(() => this.#drain()).catch(() => clearInterval(this.#timer));
    }, EVENTS_MS);
  }

  note(message: string): void {
    this.#screen.write(`${JSON.stringify({ type: 'note', message })}\n`);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#turn;
    await this.#drain();
  }

  async #drain(): Promise<void> {
    for await (const { at, ...event } of eventsAfter(this.#store, this.#seq)) {
      this.#seq = event.seq;
      this.#screen.write(`${JSON.stringify({ at: new Date(at).toISOString(), ...event })}\n`);
    }
  }
}
