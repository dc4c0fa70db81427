import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { Clock } from '../core/clock.ts';
import { answeringOrder, type Slot } from './order.ts';
import type { Progress } from './records.ts';
import type { RequestLine } from './scan.ts';
import { sleepUntil } from './sleep.ts';

/** A request that is to be answered. */
export interface Question {
  readonly request: RequestLine;
  /** Line of the input file, from 1. */
  readonly line: number;
  /** True input tokens. */
  readonly tokens: number;
}

/** What comes of one request: text for either file (whole lines, newline included) or for none. */
export interface Outcome {
  readonly output: string;
  readonly error: string;
  /** Whether the batch counts it as completed or as failed. */
  readonly ok: boolean;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Answers requests: at once, or later with so many open at one time. */
export type Answerer =
  | { readonly width: 1; now(question: Question): Outcome }
  | {
      readonly width: number;
      /** Rejects only when the signal aborts. */
      later(question: Question, signal: AbortSignal): Promise<Outcome>;
    };

export interface Answering {
  readonly inputPath: string;
  readonly indexPath: string;
  readonly outputPath: string;
  readonly errorPath: string;
  /** Of the order; null keeps the order of the file. */
  readonly seed: number | null;
  /** Requests to answer, from the first of the order: all of the file's, or fewer. */
  readonly requests: number;
  readonly answerer: Answerer;
  readonly progress: Progress;
  /** Called when what the progress says is in the files. */
  readonly checkpoint: (progress: Progress) => void;
  /** When the first request was begun and how long all take, in ms; null answers all at once. */
  readonly pace: {
    readonly startedAt: number;
    readonly runMs: number;
    readonly clock: Clock;
  } | null;
  readonly signal: AbortSignal;
}

/** Progress is told in this many steps at least where there are as many requests. */
const STEPS = 100;

/** Requests that are answered and written in one go. */
const CHUNK = 128;

/** Answers that wait for the one before them, at most so many times those that are open. */
const WAITING = 4;

/** Text that is held before it is written, unless one line is longer. */
const RUN_CHARACTERS = 1024 * 1024; // 1 Mi

/**
 * Writes a batch's answers, from where `progress` stands to the end or until the signal aborts,
 * and returns how far it came. An abort is no error: what is written counts. Memory is one window.
 */
export async function writeAnswers(work: Answering): Promise<Progress> {
  const writer = await Writer.open(work);
  try {
    if ('now' in work.answerer) {
      const { answerer } = work;
      for await (const questions of chunks(work)) {
        for (const outcomes of answered(questions, answerer)) await writer.write(outcomes);
        await turn();
      }
    } else {
      await answerLater(work, work.answerer.later, work.answerer.width, writer);
    }
    return writer.progress;
  } finally {
    await writer.close();
  }
}

/** Answers, in runs that end when they are long: a line of many embeddings has megabytes. */
function* answered(
  questions: readonly Question[],
  answerer: Extract<Answerer, { width: 1 }>,
): Generator<Outcome[], void, undefined> {
  let outcomes: Outcome[] = [];
  let length = 0;
  for (const question of questions) {
    const outcome = answerer.now(question);
    outcomes.push(outcome);
    length += outcome.output.length + outcome.error.length;
    if (length < RUN_CHARACTERS) continue;
    yield outcomes;
    outcomes = [];
    length = 0;
  }
  if (outcomes.length > 0) yield outcomes;
}

/**
 * Keeps `width` questions open, and writes the answers in the order of the questions. A slow answer
 * holds back the writing of those behind it, not their asking, until a window of them waits.
 */
async function answerLater(
  work: Answering,
  later: (question: Question, signal: AbortSignal) => Promise<Outcome>,
  width: number,
  writer: Writer,
): Promise<void> {
  const { signal } = work;
  const limit = pLimit(width);
  const open: Promise<Outcome | null>[] = [];
  const ask = async (question: Question) => {
    if (signal.aborted) return null;
    try {
      return await later(question, signal);
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
  };
  const writeFirst = async () => {
    const outcome = await open.shift();
    // Behind an answer that did not come the order has a hole, and the progress is a single number.
    if (outcome === null) open.length = 0;
    else if (outcome !== undefined) await writer.write([outcome]);
  };
  for await (const questions of chunks(work)) {
    for (const question of questions) {
      if (signal.aborted) break;
      open.push(limit(() => ask(question)));
      if (open.length >= width * WAITING) await writeFirst();
    }
  }
  while (open.length > 0) await writeFirst();
}

/** The questions that are left, in their order, a chunk at a time, not before they are due. */
async function* chunks(work: Answering): AsyncGenerator<Question[], void, undefined> {
  const { signal, requests } = work;
  const input = await open(work.inputPath, 'r');
  try {
    let position = work.progress.position;
    let passed = 0;
    for await (const window of answeringOrder(work.indexPath, work.seed)) {
      const before = passed;
      passed += window.slots.length;
      if (passed <= position) continue;
      const bytes = Buffer.allocUnsafe(window.bytes);
      await input.read(bytes, 0, window.bytes, window.offset);
      while (position < passed) {
        if (position >= requests || signal.aborted) return;
        const due = await waitForWork(work, position);
        if (due === 0) return;
        const from = position - before;
        const slots = window.slots.slice(from, from + Math.min(due, CHUNK));
        yield slots.map((slot) => question(bytes, slot));
        position += slots.length;
      }
    }
  } finally {
    await input.close();
  }
}

/** How many requests may be answered now; waits for the first. 0 when the signal aborted. */
async function waitForWork(work: Answering, position: number): Promise<number> {
  const { pace, requests, signal } = work;
  if (pace === null || pace.runMs <= 0) return requests - position;
  for (;;) {
    const share = (pace.clock.now() - pace.startedAt) / pace.runMs;
    const due = Math.min(requests, Math.floor(share * requests)) - position;
    if (due > 0) return due;
    const next = Math.min(requests, position + Math.max(1, Math.floor(requests / STEPS)));
    const dueAt = pace.startedAt + Math.ceil((next / requests) * pace.runMs);
    if (!(await sleepUntil(pace.clock, dueAt, signal))) return 0;
  }
}

function question(bytes: Buffer, slot: Slot): Question {
  let text = bytes.toString('utf8', slot.offset, slot.offset + slot.bytes);
  if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
  return { request: JSON.parse(text) as RequestLine, line: slot.line, tokens: slot.tokens };
}

/** The two files in the making. What a kill left beyond the last checkpoint is cut off. */
class Writer {
  progress: Progress;
  readonly #output: FileHandle;
  readonly #error: FileHandle;
  readonly #checkpoint: (progress: Progress) => void;

  private constructor(work: Answering, output: FileHandle, error: FileHandle) {
    this.progress = work.progress;
    this.#checkpoint = work.checkpoint;
    this.#output = output;
    this.#error = error;
  }

  static async open(work: Answering): Promise<Writer> {
    const output = await open(work.outputPath, 'a', 0o600);
    const error = await open(work.errorPath, 'a', 0o600);
    await output.truncate(work.progress.outputBytes);
    await error.truncate(work.progress.errorBytes);
    return new Writer(work, output, error);
  }

  async write(outcomes: readonly Outcome[]): Promise<void> {
    let outputText = '';
    let errorText = '';
    let { completed, failed, inputTokens, outputTokens } = this.progress;
    for (const outcome of outcomes) {
      outputText += outcome.output;
      errorText += outcome.error;
      if (outcome.ok) completed += 1;
      else failed += 1;
      inputTokens += outcome.inputTokens;
      outputTokens += outcome.outputTokens;
    }
    const output = Buffer.from(outputText);
    const error = Buffer.from(errorText);
    if (output.length > 0) await this.#output.appendFile(output);
    if (error.length > 0) await this.#error.appendFile(error);
    this.progress = {
      position: this.progress.position + outcomes.length,
      outputBytes: this.progress.outputBytes + output.length,
      errorBytes: this.progress.errorBytes + error.length,
      completed,
      failed,
      inputTokens,
      outputTokens,
    };
    this.#checkpoint(this.progress);
  }

  async close(): Promise<void> {
    await this.#output.close();
    await this.#error.close();
  }
}
