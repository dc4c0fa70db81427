import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbort } from '../core/errors.ts';
import type { Faults } from './faults/faults.ts';
import { WireError } from './http/errors.ts';
import { inputFileId } from './ids.ts';
import { type FileFacts, type FileRecord, TERMINAL } from './records.ts';
import { scanFile } from './scan.ts';
import { sleepUntil } from './sleep.ts';
import { contentPath, draw, indexPath, note, randomFor, type State, sped } from './state.ts';

/** An upload whose bytes are on disk. */
export interface ReceivedFile {
  readonly filename: string;
  readonly bytes: number;
  readonly path: string;
  readonly purpose: string;
  /** Seconds that the file shall live, or null when the caller did not say. */
  readonly lifeSeconds: number | null;
}

/** The files of the service: their quota, their becoming ready, their end. */
export class Files {
  readonly #state: State;
  readonly #faults: Faults;
  /** The pass over each input file that is being read. */
  readonly #scans = new Map<string, Promise<FileFacts>>();

  constructor(state: State, faults: Faults) {
    this.#state = state;
    this.#faults = faults;
  }

  /** Goes on with what a restart found, and clears away what a kill left behind. */
  async resume(): Promise<void> {
    await this.#clearAway();
    for (const file of this.#state.ledger.files.values()) {
      if (file.status === 'pending' || (file.purpose === 'batch' && file.facts === null)) {
        this.#ripen(file);
      }
    }
  }

  /** Takes an upload into the service, if its quota has room. */
  async add(received: ReceivedFile): Promise<FileRecord> {
    const { options, ledger } = this.#state;
    const { switches, clock } = options;
    const id = inputFileId(switches);
    const path = contentPath(this.#state, id);
    await rename(received.path, path);
    const life = received.lifeSeconds ?? switches.inputLifeSeconds;
    try {
      // No await from here to the commit, so that two uploads cannot both take the last place.
      this.#checkQuota(life !== null);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    const now = clock.now();
    const number = ledger.nextUpload();
    const faults = this.#faults.forFile(number);
    let pending = draw(switches.pendingSeconds, randomFor(this.#state, `file ${number}`));
    let visibleAt = now;
    for (const fault of faults) {
      if (fault.do === 'pending') pending = fault.seconds * 1000;
      if (fault.do === 'hide') visibleAt = now + fault.ms;
    }
    const broken = faults.some((fault) => fault.do === 'error');
    const file: FileRecord = {
      id,
      filename: received.filename,
      bytes: received.bytes,
      purpose: received.purpose,
      status: broken ? 'error' : pending === 0 ? 'processed' : 'pending',
      createdAt: now,
      readyAt: now + sped(this.#state, pending),
      expiresAt: life === null ? null : now + life * 1000,
      visibleAt,
      content: true,
      facts: null,
    };
    ledger.commit({ file }, { uploads: number });
    const { filename, bytes } = file;
    note(this.#state, {
      kind: 'file',
      id,
      from: null,
      to: file.status,
      detail: { filename, bytes },
    });
    this.#ripen(file);
    return file;
  }

  /** The file, if it is there. */
  get(id: string): FileRecord {
    this.expire();
    const file = this.#state.ledger.files.get(id);
    if (file === undefined) throw new WireError('fileNotFound', { id });
    return file;
  }

  /** What lists show, oldest first. */
  visible(): FileRecord[] {
    this.expire();
    const now = this.#state.options.clock.now();
    return [...this.#state.ledger.files.values()].filter((file) => file.visibleAt <= now);
  }

  /** What the pass over an input file found; waits for it. Refuses a file that is deleted meanwhile. */
  async facts(file: FileRecord): Promise<FileFacts> {
    const known = this.get(file.id).facts;
    if (known !== null) return known;
    const facts = await this.#scan(file).catch((error: unknown) => {
      this.get(file.id);
      throw error;
    });
    this.get(file.id);
    return facts;
  }

  async remove(id: string): Promise<void> {
    this.#remove(this.get(id), 'deleted');
  }

  /** Lets go of files whose time is over. */
  expire(): void {
    const now = this.#state.options.clock.now();
    for (const file of this.#state.ledger.files.values()) {
      if (file.expiresAt !== null && file.expiresAt <= now) this.#remove(file, 'expired');
    }
  }

  /** Removes the bytes of a file that is gone, unless a batch still reads them. */
  async sweep(id: string): Promise<void> {
    const { ledger } = this.#state;
    if (ledger.files.has(id)) return;
    for (const batch of ledger.batches.values()) {
      if (batch.inputFileId === id && !TERMINAL.has(batch.status)) return;
    }
    await rm(contentPath(this.#state, id), { force: true });
    await rm(indexPath(this.#state, id), { force: true });
  }

  async #clearAway(): Promise<void> {
    const { ledger, directory } = this.#state;
    const wanted = new Set(ledger.files.keys());
    const live = [...ledger.batches.values()].filter(({ status }) => !TERMINAL.has(status));
    for (const batch of live) {
      for (const id of [batch.id, batch.inputFileId, batch.outputName, batch.errorName]) {
        wanted.add(id);
      }
    }
    for (const folder of ['files', 'work']) {
      for (const name of await readdir(join(directory, folder))) {
        const id = name.replace(/\.[^.]*$/, '');
        if (!wanted.has(id)) await rm(join(directory, folder, name), { force: true });
      }
    }
  }

  /** Refuses when there is no room for one more input file of this kind. */
  #checkQuota(expiring: boolean): void {
    this.expire();
    const { maxFiles, maxFilesWithExpiry } = this.#state.options.switches;
    let kept = 0;
    for (const file of this.#state.ledger.files.values()) {
      if (file.purpose === 'batch' && (file.expiresAt !== null) === expiring) kept += 1;
    }
    const max = expiring ? maxFilesWithExpiry : maxFiles;
    if (kept >= max) throw new WireError(expiring ? 'expiringFileQuota' : 'fileQuota', { max });
  }

  #remove(file: FileRecord, to: string): void {
    this.#state.ledger.commit({ gone: file.id });
    note(this.#state, { kind: 'file', id: file.id, from: file.status, to });
    this.#state.background(this.sweep(file.id));
  }

  /** Reads an input file and lets it become processed when its time has come. */
  #ripen(file: FileRecord): void {
    this.#state.background(this.#becomeReady(file));
  }

  async #becomeReady(file: FileRecord): Promise<void> {
    const { options, closing, ledger } = this.#state;
    if (file.purpose === 'batch') {
      try {
        await this.#scan(file);
      } catch (error) {
        // It may be deleted while it is read.
        if (isAbort(error, closing) || !ledger.files.has(file.id)) return;
        throw error;
      }
    }
    if (!(await sleepUntil(options.clock, file.readyAt, closing))) return;
    const now = ledger.files.get(file.id);
    if (now?.status !== 'pending') return;
    ledger.commit({ file: { ...now, status: 'processed' } });
    note(this.#state, { kind: 'file', id: file.id, from: 'pending', to: 'processed' });
  }

  #scan(file: FileRecord): Promise<FileFacts> {
    const running = this.#scans.get(file.id);
    if (running !== undefined) return running;
    const { ledger, closing, options } = this.#state;
    const path = contentPath(this.#state, file.id);
    const scan = scanFile(path, indexPath(this.#state, file.id), options.switches, closing)
      .then(async (facts) => {
        const now = ledger.files.get(file.id);
        if (now === undefined) await this.sweep(file.id);
        else ledger.commit({ file: { ...now, facts } });
        return facts;
      })
      .finally(() => this.#scans.delete(file.id));
    this.#scans.set(file.id, scan);
    return scan;
  }
}
