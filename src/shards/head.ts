import type { Endpoint } from '../core/request.ts';
import { corruptShard, endOfCustomId, lineHead } from './format.ts';
import { readLineBlocks } from './line-blocks.ts';
import type { JobHead } from './serialise.ts';

const FIRST_BLOCK_BYTES = 4 * 1024;

/**
 * The endpoint and model that a sealed request file names in its first line, for `lineHead`.
 * Throws `corrupt_shard` when that is not a request line of ours.
 */
export async function readHead(path: string): Promise<JobHead> {
  for await (const [line] of readLineBlocks(path, FIRST_BLOCK_BYTES)) {
    const head = line === undefined ? undefined : headOf(line);
    if (head !== undefined) return head;
    break;
  }
  throw corruptShard(path, 1, 'this is no request line');
}

function headOf(line: Buffer): JobHead | undefined {
  const start = endOfCustomId(line, 0);
  if (start < 0) return undefined;
  const text = line.toString('utf8', start);
  const found = HEAD.exec(text);
  if (found === null) return undefined;
  const [, url, model] = found;
  const head: JobHead = { endpoint: url as Endpoint, model: JSON.parse(`"${model}"`) };
  // What was found must be what lineHead makes, or the splice would not find it.
  return text.startsWith(lineHead(head.endpoint, head.model).toString()) ? head : undefined;
}

const HEAD =
  /^,"method":"POST","url":"(\/chat\/completions|\/responses|\/embeddings)","body":\{"model":"((?:[^"\\]|\\.)*)"/;
