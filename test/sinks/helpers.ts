import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResultRow } from '../../src/core/result.ts';

/** A folder that is removed when disposed of. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'millrace-sinks-'));

  file(name: string): string {
    return join(this.path, name);
  }

  names(): string[] {
    return readdirSync(this.path);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function okRow(ordinal: number, record: unknown, content = `answer ${ordinal}`): ResultRow {
  const body = {
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content } }],
    usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
  };
  return {
    ordinal,
    custom_id: `job-${ordinal}`,
    status: 'ok',
    record,
    response: { status_code: 200, request_id: 'r', body },
    error: null,
    attempts: [],
  };
}

export function failedRow(ordinal: number, record: unknown): ResultRow {
  return {
    ordinal,
    custom_id: `job-${ordinal}`,
    status: 'failed',
    record,
    response: null,
    error: { code: 'batch_expired', message: 'too late' },
    attempts: [],
  };
}
