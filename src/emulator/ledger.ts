import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../core/errors.ts';
import { type BatchRecord, type FileRecord, TERMINAL } from './records.ts';

/** One change: a record in its new form, the id of a file that is gone, how many uploads there were. */
export type Change =
  | { readonly file: FileRecord }
  | { readonly batch: BatchRecord }
  | { readonly gone: string }
  | { readonly uploads: number };

/** A journal of this size, and of twice its shortest form, is written anew. */
const LONGEST_BYTES = 16 * 1024 * 1024; // 16 MiB

/**
 * The files and batches of a data directory. Every change is one line of `journal.ndjson`, written
 * before it is visible, so that a kill leaves all of a change or nothing. When it is opened, and when
 * it has grown long, the journal is written anew in its shortest form.
 */
export class Ledger {
  readonly files = new Map<string, FileRecord>();
  readonly batches = new Map<string, BatchRecord>();
  readonly #path: string;
  readonly #longest: number;
  #descriptor: number;
  /** Of the journal: what is beyond was not written whole. */
  #bytes = 0;
  #rewriteAt = 0;
  #uploads = 0;
  #lastBatchNumber = 0;
  #closed = false;

  private constructor(path: string, longest: number) {
    this.#path = path;
    this.#longest = longest;
    if (existsSync(path)) this.#read(path);
    this.#descriptor = this.#rewrite();
  }

  /** Opens or makes a data directory. */
  static open(directory: string, longestBytes: number = LONGEST_BYTES): Ledger {
    for (const folder of [directory, join(directory, 'files'), join(directory, 'work')]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
    return new Ledger(join(directory, 'journal.ndjson'), longestBytes);
  }

  /**
   * Applies the changes together. Throws `closed` after `close`; what the disk refuses (`ENOSPC`) is
   * thrown as it is, and has not happened.
   */
  commit(...changes: readonly Change[]): void {
    if (this.#closed) throw new MillraceError('closed', 'the emulator is closed');
    this.#append(Buffer.from(`${JSON.stringify(changes)}\n`));
    for (const change of changes) this.#apply(change);
    if (this.#bytes > this.#rewriteAt) this.#shorten();
  }

  /** The number of the next upload, from 1; it is taken when it is committed. */
  nextUpload(): number {
    return this.#uploads + 1;
  }

  /** 0 when there was none. */
  lastBatchNumber(): number {
    return this.#lastBatchNumber;
  }

  /** A batch that is known to be there. */
  batch(id: string): BatchRecord {
    const batch = this.batches.get(id);
    if (batch === undefined) throw new Error(`batch ${id} left the ledger`);
    return batch;
  }

  /** Tokens charged on a deployment. */
  enqueuedTokens(deployment: string): number {
    let sum = 0;
    for (const batch of this.batches.values()) {
      if (batch.charged && batch.deployment === deployment && !TERMINAL.has(batch.status)) {
        sum += batch.tokens;
      }
    }
    return sum;
  }

  close(): void {
    this.#closed = true;
    closeSync(this.#descriptor);
  }

  #append(line: Buffer): void {
    try {
      for (let at = 0; at < line.length; ) at += writeSync(this.#descriptor, line, at);
    } catch (error) {
      // Half a line would spoil the one that comes after it.
      ftruncateSync(this.#descriptor, this.#bytes);
      throw error;
    }
    this.#bytes += line.length;
  }

  #apply(change: Change): void {
    if ('file' in change) this.files.set(change.file.id, change.file);
    else if ('gone' in change) this.files.delete(change.gone);
    else if ('uploads' in change) this.#uploads = change.uploads;
    else {
      this.batches.set(change.batch.id, change.batch);
      this.#lastBatchNumber = Math.max(this.#lastBatchNumber, change.batch.number);
    }
  }

  #read(path: string): void {
    const lines = readFileSync(path, 'utf8').split('\n');
    lines.forEach((line, index) => {
      if (line === '') return;
      let changes: Change[];
      try {
        changes = JSON.parse(line) as Change[];
      } catch (cause) {
        // A kill can cut the last line short; its change was never seen by anybody.
        if (index === lines.length - 1) return;
        throw new MillraceError(
          'data_damaged',
          `${path} is damaged at line ${index + 1}; remove the directory to start afresh`,
          { cause },
        );
      }
      for (const change of changes) this.#apply(change);
    });
  }

  #shorten(): void {
    const old = this.#descriptor;
    try {
      this.#descriptor = this.#rewrite();
    } catch {
      // There is no room for a second journal; the present one is whole and goes on.
      rmSync(`${this.#path}.new`, { force: true });
      this.#rewriteAt = 2 * this.#bytes;
      return;
    }
    closeSync(old);
  }

  /** Puts the shortest journal in the place of the present one; its descriptor. */
  #rewrite(): number {
    const fresh = `${this.#path}.new`;
    writeFileSync(fresh, this.#lines(), { mode: 0o600 });
    const descriptor = openSync(fresh, 'a', 0o600);
    renameSync(fresh, this.#path);
    this.#bytes = statSync(this.#path).size;
    this.#rewriteAt = Math.max(this.#longest, 2 * this.#bytes);
    return descriptor;
  }

  #lines(): string {
    let lines = `${JSON.stringify([{ uploads: this.#uploads }])}\n`;
    for (const file of this.files.values()) lines += `${JSON.stringify([{ file }])}\n`;
    for (const batch of this.batches.values()) lines += `${JSON.stringify([{ batch }])}\n`;
    return lines;
  }
}
