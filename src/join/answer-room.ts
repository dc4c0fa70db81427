import type { AnswerReader } from './answer-reader.ts';
import type { RowKernel } from './row-kernel.ts';

/** What is copied in the time of a system call, roughly. */
const CALL_BYTES = 10_000; // 10 kB

/**
 * Brings the responses of a shard's rows into the kernel's room, in the order of the rows, while they
 * lie in any order in the answers: a system call for each would take longer than all the rest. Answers
 * that fit are read once. Of more answers, those to the next rows that fit are picked out of the files
 * in one go through them, which leaves out where nothing of them lies. Long answers, of which few fit,
 * are read one by one all the same, after one go through the files, which brings them into the system's
 * cache: from a disk, single answers in any order take many times as long.
 */
export class AnswerRoom {
  readonly #answers: AnswerReader;
  readonly #kernel: RowKernel;
  readonly #single: boolean;
  #cached = false;

  constructor(answers: AnswerReader, kernel: RowKernel) {
    this.#answers = answers;
    this.#kernel = kernel;
    const passes = Math.ceil(answers.bytes / kernel.room.length);
    this.#single = passes * answers.bytes > kernel.lengths.length * CALL_BYTES;
  }

  /** Brings the responses of the next rows. */
  async fill(): Promise<void> {
    const kernel = this.#kernel;
    if (this.#answers.bytes <= kernel.room.length) {
      await this.#answers.readRange(0, this.#answers.bytes, kernel.room);
      kernel.planWhole();
      return;
    }
    kernel.planRoom();
    if (!this.#single) return this.#pick();
    if (!this.#cached) await this.#readThrough();
    this.#readSingly(kernel.row, kernel.rowTo);
  }

  async #readThrough(): Promise<void> {
    const { bytes } = this.#answers;
    const into = this.#kernel.scans[0]!;
    for (let at = 0; at < bytes; at += into.length) {
      await this.#answers.readRange(at, Math.min(into.length, bytes - at), into);
    }
    this.#cached = true;
  }

  #readSingly(from: number, to: number, wanted = (_start: number) => true): void {
    const { room, starts, lengths } = this.#kernel;
    for (let row = from; row < to; row++) {
      const place = this.#kernel.placeOf(row);
      if (place === null || !wanted(starts[row]!)) continue;
      this.#answers.read(starts[row]!, lengths[row]!, room, place);
    }
  }

  /** Reads one stretch ahead of the one that is looked through. */
  async #pick(): Promise<void> {
    const kernel = this.#kernel;
    const [first, second] = kernel.scans as [Buffer, Buffer];
    let ahead = this.#readNext(0, first);
    try {
      while (ahead !== null) {
        const { stretch, start, end, into, done } = ahead;
        const failure = await done;
        if (failure !== null) throw failure;
        ahead = this.#readNext(stretch + 1, into === first ? second : first);
        if (end - start <= into.length) {
          kernel.pick(stretch, into, start);
          continue;
        }
        // Long answers: they go over more than their stretch, and there is no memory for all of it.
        const [from, to] = [stretch, stretch + 1].map((n) => n * kernel.stretchBytes);
        this.#readSingly(kernel.row, kernel.rowTo, (at) => at >= from! && at < to!);
      }
    } finally {
      await ahead?.done;
    }
  }

  #readNext(from: number, into: Buffer): Ahead | null {
    const kernel = this.#kernel;
    for (let stretch = from; stretch < kernel.stretches; stretch++) {
      const wanted = kernel.wanted(stretch);
      if (wanted === null) continue;
      const { start, end } = wanted;
      const reading = this.#answers.readRange(start, Math.min(end - start, into.length), into);
      // The outcome is a value: a read ahead that fails while nobody waits must not crash the process.
      const done = reading.then(
        () => null,
        (error: Error) => error,
      );
      return { stretch, start, end, into, done };
    }
    return null;
  }
}

/** A stretch that is being read. */
interface Ahead {
  readonly stretch: number;
  /** The range that is wanted of it. */
  readonly start: number;
  readonly end: number;
  readonly into: Buffer;
  readonly done: Promise<Error | null>;
}
