import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, vi } from 'vitest';
import type { ResultRow, RowAttempt } from '../../src/core/result.ts';
import { type JoinOptions, type JoinSummary, joinShard } from '../../src/join/join-shard.ts';
import { recordLine, requestLine } from '../../src/shards/format.ts';
import { AT, NAME } from './constants.ts';

export { AT, NAME };

export interface TestRow {
  id: string;
  ordinal: number;
  record: unknown;
  attempts?: RowAttempt[];
}

/** A job directory with one sealed shard, removed when disposed of. */
export class TestJob {
  readonly directory = mkdtempSync(join(tmpdir(), 'millrace-join-'));

  constructor() {
    for (const name of ['shards', 'results', 'downloads']) mkdirSync(join(this.directory, name));
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  seal(rows: readonly TestRow[], name = NAME): void {
    const requests = rows.map(({ id }) => requestLine(id, '/chat/completions', '{"model":"m"}'));
    const records = rows.map(({ ordinal, record, attempts }) =>
      recordLine(ordinal, JSON.stringify(record), attempts),
    );
    this.write(`shards/${name}.requests.jsonl`, lines(requests));
    this.write(`shards/${name}.records.ndjson`, lines(records));
  }

  write(path: string, content: string | Uint8Array): string {
    const full = join(this.directory, path);
    writeFileSync(full, content);
    return full;
  }

  output(content: string | Uint8Array): string {
    return this.write('downloads/output.jsonl', content);
  }

  errors(content: string | Uint8Array): string {
    return this.write('downloads/error.jsonl', content);
  }

  join(answers: JoinOptions['answers'], options: Partial<JoinOptions> = {}): Promise<JoinSummary> {
    return joinShard({
      directory: this.directory,
      name: NAME,
      batch: 'batch_1',
      maxAttempts: 3,
      at: AT,
      answers,
      ...options,
    });
  }

  rows(path = `results/${NAME}.ndjson`): ResultRow[] {
    return this.text(path)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as ResultRow);
  }

  text(path: string): string {
    return readFileSync(join(this.directory, path), 'utf8');
  }

  /** Every file below the job's directory by its path, downloads left out. */
  files(): Record<string, string> {
    const found: Record<string, string> = {};
    for (const folder of ['shards', 'results']) {
      for (const name of readdirSync(join(this.directory, folder)).sort()) {
        found[`${folder}/${name}`] = this.text(`${folder}/${name}`);
      }
    }
    return found;
  }
}

/** Makes every read of the tests around it look as slow as one of a file that is not in the cache. */
export function onDisk(slow = true): void {
  beforeEach(() => {
    let now = 0;
    if (slow) vi.spyOn(performance, 'now').mockImplementation(() => ++now);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
}

/** `count` rows with ids `job-0`, `job-1` and so on. */
export function plainRows(count: number): TestRow[] {
  return Array.from({ length: count }, (_, ordinal) => ({
    id: `job-${ordinal}`,
    ordinal,
    record: { text: `record ${ordinal}` },
  }));
}

export function lines(list: readonly string[]): string {
  return list.map((line) => `${line}\n`).join('');
}

/** The line of a good answer, keys in Azure's order. */
export function okLine(id: string, content = `answer to ${id}`): string {
  const body = {
    choices: [{ finish_reason: 'stop', index: 0, message: { content, role: 'assistant' } }],
    usage: { completion_tokens: 3, prompt_tokens: 7, total_tokens: 10 },
  };
  return JSON.stringify({
    custom_id: id,
    response: { body, request_id: `req-${id}`, status_code: 200 },
    error: null,
  });
}

export function failedLine(id: string, status: number, code: string | null = null): string {
  const error = { message: `${status} for ${id}`, type: null, param: null, code };
  return JSON.stringify({
    id: `batch_req_${id}`,
    custom_id: id,
    response: { status_code: status, request_id: `req-${id}`, body: { error } },
    error: null,
  });
}

export function expiredLine(id: string, code = 'batch_expired'): string {
  return JSON.stringify({
    id: `batch_req_${id}`,
    custom_id: id,
    response: null,
    error: { code, message: 'not executed in time' },
  });
}
