// The shards of a job and the answers of their batches, as prepare and the service would leave them.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '../../src/core/clock.ts';
import { DATA, parseSize, records } from './data.ts';
import type { Input } from './harness.ts';

const SHARD_ROWS = 50_000;
/** Records that are different; a larger job takes them again, under other ordinals and ids. */
const DIFFERENT = 50_000;
/** Of the rows: 0.5 % have no answer, 0.2 % an error. */
const MISSING = 0.005;
const FAILED = 0.002;
const ANSWER_CHARS = 600;

export interface MadeShard {
  readonly name: string;
  readonly rows: number;
}

/** The folder with the job; made when it is not there. Ids are `bench-<ordinal>` or the user's own. */
export function joinFolder(size: string, own = false): Input {
  const folder = join(DATA, `join-${size}${own ? '-own' : ''}`);
  if (!existsSync(join(folder, 'done'))) {
    process.stderr.write(`making ${folder}\n`);
    rmSync(folder, { recursive: true, force: true });
    const shards = make(folder, parseSize(size), own);
    writeFileSync(join(folder, 'done'), JSON.stringify(shards));
  }
  const files = [
    ...listed(folder, 'shards', '.records.ndjson'),
    ...listed(folder, 'downloads', '.jsonl'),
  ];
  return { path: folder, bytes: files.reduce((sum, file) => sum + statSync(file).size, 0) };
}

export function shardsOf(folder: string): MadeShard[] {
  return JSON.parse(readFileSync(join(folder, 'done'), 'utf8')) as MadeShard[];
}

export function listed(folder: string, part: string, end: string): string[] {
  const names = readdirSync(join(folder, part)).filter((name) => name.endsWith(end));
  return names.sort().map((name) => join(folder, part, name));
}

/** The parts of a row that do not change with its number, as JSON. */
interface Parts {
  readonly record: string;
  readonly request: string;
  readonly answer: string;
  readonly created: string;
}

function make(folder: string, bytes: number, own: boolean): MadeShard[] {
  const random = seededRandom(3);
  for (const part of ['shards', 'downloads']) mkdirSync(join(folder, part), { recursive: true });
  const shards: MadeShard[] = [];
  const source = records(3);
  const pool: Parts[] = [];
  let written = 0;
  let ordinal = 0;
  while (written < bytes) {
    const files = { requests: '', records: '' };
    const output: string[] = [];
    const errors: string[] = [];
    let rows = 0;
    for (; rows < SHARD_ROWS && written < bytes; rows++, ordinal++) {
      if (pool.length < DIFFERENT) pool.push(partsOf(source.next().value!));
      const { record, request, answer, created } = pool[ordinal % DIFFERENT]!;
      const id = own ? `user/${ordinal.toString(36)}/${created}` : `bench-${ordinal}`;
      files.requests += `{"custom_id":"${id}",${request}\n`;
      files.records += `{"ordinal":${ordinal},"record":${record}}\n`;
      written += record.length;
      const dice = random();
      if (dice < MISSING) continue;
      const failed = dice > 1 - FAILED;
      const line = `{"id":"batch_req_${ordinal}","custom_id":"${id}",${failed ? FILTERED : answer}\n`;
      (failed ? errors : output).push(line);
      written += line.length;
    }
    shuffle(output, random);
    const name = `p0000-${String(shards.length).padStart(4, '0')}`;
    writeFileSync(join(folder, 'shards', `${name}.requests.jsonl`), files.requests);
    writeFileSync(join(folder, 'shards', `${name}.records.ndjson`), files.records);
    writeFileSync(join(folder, 'downloads', `${name}.output.jsonl`), output.join(''));
    writeFileSync(join(folder, 'downloads', `${name}.error.jsonl`), errors.join(''));
    shards.push({ name, rows });
  }
  return shards;
}

function partsOf({ text, ...rest }: { text: string; created: string }): Parts {
  const content = `Label: ${text}`;
  const body = { model: 'gpt-4o', messages: [{ role: 'user', content }] };
  const request = JSON.stringify({ method: 'POST', url: '/chat/completions', body }).slice(1);
  const reply = text.slice(0, ANSWER_CHARS).toWellFormed();
  const message = { role: 'assistant', content: reply, refusal: null };
  const usage = { prompt_tokens: 200, completion_tokens: 90, total_tokens: 290 };
  const choices = [{ index: 0, message, finish_reason: 'stop', logprobs: null }];
  const answer = { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'gpt-4o' };
  const response = { status_code: 200, request_id: 'r-1', body: { ...answer, choices, usage } };
  return {
    record: JSON.stringify({ ...rest, text }),
    request,
    answer: JSON.stringify({ response, error: null }).slice(1),
    created: rest.created,
  };
}

const FILTERED = JSON.stringify({
  response: {
    status_code: 400,
    request_id: 'r-1',
    body: {
      error: { code: 'content_filter', message: 'The response was filtered', type: null },
    },
  },
  error: null,
}).slice(1);

function shuffle(lines: string[], random: () => number): void {
  for (let i = lines.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [lines[i], lines[j]] = [lines[j]!, lines[i]!];
  }
}

/** What the answer to a record of this text says. */
export function replyTo(text: string): string {
  return text.slice(0, ANSWER_CHARS).toWellFormed();
}
