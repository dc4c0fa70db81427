// Prepares sources, and joins answers, that hold lines of 100 MB, in a process of its own, so that its
// memory can be told. Its argument is an empty directory; it prints what came of each, and the peak.
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { errorCode } from '../../src/core/errors.ts';
import { openJob } from '../../src/jobs/job.ts';
import { prepareJob } from '../../src/jobs/prepare.ts';
import { joinShard } from '../../src/join/join-shard.ts';
import { recordLine, requestLine } from '../../src/shards/format.ts';

const BLOCK = Buffer.alloc(1024 * 1024, 'x');
const BLOCKS = 100;

const [directory = ''] = process.argv.slice(2);

async function write(path: string, parts: readonly (string | number)[]): Promise<string> {
  async function* bytes(): AsyncGenerator<Buffer> {
    for (const part of parts) {
      // One byte a character, so that a part can be what is no UTF-8.
      if (typeof part === 'string') yield Buffer.from(part, 'latin1');
      else for (let n = 0; n < part; n++) yield BLOCK;
    }
  }
  const file = createWriteStream(path);
  if (path.endsWith('.gz')) await pipeline(bytes(), createGzip({ level: 1 }), file);
  else await pipeline(bytes(), file);
  return path;
}

const DEPTH = 200_000;

const SOURCES: Readonly<Record<string, readonly (string | number)[]>> = {
  'in.csv': ['text\nshort\n"', BLOCKS, '"\nlast\n'],
  'in.ndjson': ['{"text":"short"}\n{"text":"', BLOCKS, '"}\n{"text":"last"}\n'],
  'garbage.ndjson': ['{"text":"short"}\n', BLOCKS, '\n{"text":"last"}\n'],
  'in.json': ['[{"text":"short"},{"text":"', BLOCKS, '"},{"text":"last"}]'],
  'deep.ndjson': ['{"text":', '['.repeat(DEPTH), ']'.repeat(DEPTH), '}\n{"text":"last"}\n'],
  'odd.ndjson': [
    '{"text":"\\ud800"}\n{"text":"\\u0000"}\n{"text":"\xe2\x80\xa8"}\n{"text":"\0"}\n',
    '{"text":"last"}\n',
  ],
  'latin.ndjson': ['{"text":"caf\xe9"}\n'],
  'in.csv.gz': ['text\nshort\n"', BLOCKS, '"\nlast\n'],
};

async function prepare(name: string): Promise<unknown> {
  const job = await openJob(join(directory, `${name}.job`));
  try {
    const source = await write(join(directory, name), SOURCES[name] ?? []);
    const request = { kind: 'prompt', model: 'gpt-4o-mini', prompt: '{{text}}' } as const;
    const { records, rejected } = await prepareJob(job, { source, request, workers: 1 });
    return { records, rejected };
  } catch (error) {
    return errorCode(error);
  } finally {
    await job.close();
  }
}

/** Four answers: one of 100 MB, and as much of garbage between two others. */
async function answers(): Promise<unknown> {
  for (const folder of ['shards', 'results', 'downloads']) {
    await mkdir(join(directory, folder), { recursive: true });
  }
  const ids = ['j-0', 'j-1', 'j-2', 'j-3'];
  const requests = ids.map((id) => requestLine(id, '/chat/completions', '{"model":"m"}'));
  const records = ids.map((_, n) => recordLine(n, '{}'));
  await write(join(directory, 'shards/p0000-0000.requests.jsonl'), [`${requests.join('\n')}\n`]);
  await write(join(directory, 'shards/p0000-0000.records.ndjson'), [`${records.join('\n')}\n`]);
  const answer = (id: string, ...content: (string | number)[]) => [
    `{"custom_id":"${id}","response":{"status_code":200,"request_id":"r","body":{"choices":[{"message":{"content":"`,
    ...content,
    '"}}]}},"error":null}\n',
  ];
  const output = await write(join(directory, 'downloads/output.jsonl'), [
    ...answer('j-0', 'a'),
    ...answer('j-1', BLOCKS),
    ...answer('j-2', 'b'),
    BLOCKS,
    '\n',
    ...answer('j-3', 'c'),
  ]);
  const { ok, anomalies } = await joinShard({
    directory,
    name: 'p0000-0000',
    batch: 'batch_1',
    answers: { output, error: null },
    maxAttempts: 3,
    at: '2026-11-22T00:00:00.000Z',
  });
  return { ok, malformed: anomalies.malformed };
}

const found: Record<string, unknown> = {};
for (const name of Object.keys(SOURCES)) {
  found[name] = await prepare(name);
}
found.sourcesMiB = process.resourceUsage().maxRSS / 1024;
found.answers = await answers();
found.answersMiB = process.resourceUsage().maxRSS / 1024;
process.stdout.write(`${JSON.stringify(found)}\n`);
