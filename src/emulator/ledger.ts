import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../core/errors.ts';
import { type BatchRecord, type FileRecord, TERMINAL } from './records.ts';

/** One change: a record in its new form, or the id of a file that is gone. */
export type Change =
  | { readonly file: FileRecord }
  | { readonly batch: BatchRecord }
  | { readonly gone: string };

/**
 * The files and batches of a data directory. Every change is one line of `journal.ndjson`, written
 * before it is visible, so that a kill leaves all of a change or nothing; opening reads the journal
 * and writes it anew in its shortest form.
 */
export class Ledger {
  readonly files = new Map<string, FileRecord>();
  readonly batches = new Map<string, BatchRecord>();
  readonly #descriptor: number;
  #fileNumber = 0;
  #closed = false;

  private constructor(path: string) {
    if (existsSync(path)) this.#read(path);
    const fresh = `${path}.new`;
    writeFileSync(fresh, this.#lines(), { mode: 0o600 });
    renameSync(fresh, path);
    this.#descriptor = openSync(path, 'a', 0o600);
  }

  /** Opens or makes a data directory. */
  static open(directory: string): Ledger {
    for (const folder of [directory, join(directory, 'files'), join(directory, 'work')]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
    return new Ledger(join(directory, 'journal.ndjson'));
  }

  /** Applies the changes together. Throws `closed` after `close`. */
  commit(...changes: readonly Change[]): void {
    if (this.#closed) throw new MillraceError('closed', 'the emulator is closed');
    writeSync(this.#descriptor, `${JSON.stringify(changes)}\n`);
    for (const change of changes) this.#apply(change);
  }

  /** Counts the uploads from 1; after a restart it goes on above the files that are still there. */
  nextFileNumber(): number {
    this.#fileNumber = Math.max(this.#fileNumber, this.files.size) + 1;
    return this.#fileNumber;
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

  #apply(change: Change): void {
    if ('file' in change) this.files.set(change.file.id, change.file);
    else if ('batch' in change) this.batches.set(change.batch.id, change.batch);
    else this.files.delete(change.gone);
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

  #lines(): string {
    let lines = '';
    for (const file of this.files.values()) lines += `${JSON.stringify([{ file }])}\n`;
    for (const batch of this.batches.values()) lines += `${JSON.stringify([{ batch }])}\n`;
    return lines;
  }
}
