import type { SimBatch } from './service.ts';
import type { World } from './world.ts';

/** A line of an input file, as far as the service cares. */
export interface Line {
  readonly custom_id: string;
}

/** Requests that the service refuses for good, whoever asks and how often. */
export function isFiltered(customId: string): boolean {
  return customId.endsWith('7');
}

/** The answer to a request: it depends on nothing but the request. */
export function answerText(customId: string): string {
  return `answer to ${customId}`;
}

/** The two files of a batch that answered its first `answered` requests. */
export function answersOf(
  batch: SimBatch,
  answered: number,
  world: World,
): { output: Buffer; error: Buffer } {
  const output: string[] = [];
  const error: string[] = [];
  for (const { custom_id: id } of batch.lines.slice(0, answered)) {
    if (isFiltered(id)) {
      error.push(failed(id, 400, 'content_filter'));
      continue;
    }
    const odds = world.faulty ? world.random() : 1;
    if (odds < 0.03) continue;
    if (odds < 0.06) error.push(failed(id, 500, 'server_error'));
    else if (odds < 0.09) output.push(failed(id, 429, 'rate_limit_exceeded'));
    else output.push(ok(id));
    if (odds > 0.09 && odds < 0.11) output.push(ok(id));
  }
  shuffle(output, world);
  return { output: file(output, world), error: file(error, world) };
}

function ok(id: string): string {
  const message = { role: 'assistant', content: answerText(id) };
  const usage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 };
  const body = { id: 'x', choices: [{ index: 0, message }], usage };
  return JSON.stringify({
    custom_id: id,
    response: { body, request_id: 'r', status_code: 200 },
    error: null,
  });
}

function failed(id: string, status: number, code: string): string {
  const body = { error: { code, message: `${code} (simulated)` } };
  return JSON.stringify({
    custom_id: id,
    response: { body, request_id: 'r', status_code: status },
    error: null,
  });
}

function file(lines: readonly string[], world: World): Buffer {
  const end = lines.length > 0 && world.chance(0.8) ? '\n' : '';
  return Buffer.from(lines.join('\n') + end);
}

function shuffle(lines: string[], world: World): void {
  for (let at = lines.length - 1; at > 0; at--) {
    const other = Math.floor(world.random() * (at + 1));
    [lines[at], lines[other]] = [lines[other]!, lines[at]!];
  }
}
