import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { MillraceError } from '../../src/core/errors.ts';
import { RejectedRecord } from '../../src/core/record.ts';
import { retryAfterMs } from '../../src/core/retry.ts';
import { parseFaultScript } from '../../src/emulator/index.ts';
import { limitIn } from '../../src/jobs/quota-words.ts';
import { validateRequestFile } from '../../src/requests/validate-file.ts';
import { refusal } from '../../src/service/failure.ts';
import { toBatch, toFile, toPage } from '../../src/service/wire.ts';
import { BatchFileParser } from '../../src/sources/batch-file.ts';
import { CsvParser } from '../../src/sources/csv.ts';
import { parseJson } from '../../src/sources/json.ts';
import { NdjsonParser } from '../../src/sources/ndjson.ts';
import type { RecordParser } from '../../src/sources/parser.ts';
import { failedLine, NAME, okLine, plainRows, TestJob } from '../join/helpers.ts';

/** A parser of something that others write, and what must hold whatever they write. */
export interface Fuzz {
  readonly what: string;
  readonly property: fc.IAsyncProperty<unknown>;
}

/** What breaks parsers, beside plain random bytes. */
const FRAGMENTS = [
  ...[
    '"',
    '""',
    ',',
    ';',
    '\t',
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    '\\',
    '\\"',
    '\\n',
    ' ',
    '\0',
    '\u001a',
  ],
  ...[
    '\ufeff',
    '\u2028',
    '\u2029',
    '\u0085',
    'é',
    '很好',
    '😀',
    '\\ud800',
    '\\udc00\\ud800',
    '\\u0000',
  ],
  ...['{', '}', '[', ']', ':', '{}', '[]', 'null', 'true', '-', '-0', '1e999', '0x1', '.5', '1.'],
  ...['{"a":1}', '{"a":1}\n', '{"a":', '[{"a":1},', '{"__proto__":{"x":1}}', '{"a":1,"a":2}'],
  ...['id,text\n', 'a,b,c\n', '"a""b"', '"a\nb"', 'a"b', '['.repeat(1200), '{"a":'.repeat(1200)],
  ...['x'.repeat(300), '"'.repeat(99), ','.repeat(50), okLine('job-1'), `${okLine('job-0')}\n`],
  ...[`${failedLine('job-2', 500)}\n`, '"custom_id":"job-0"', '"response":{"status_code":200}'],
].map((text) => Buffer.from(text));

const BROKEN_UTF8 = [
  [0xff],
  [0xc3],
  [0xe2, 0x80],
  [0xf0, 0x9f, 0x98],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
];

const bytes = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...FRAGMENTS) },
      { weight: 1, arbitrary: fc.constantFrom(...BROKEN_UTF8.map((list) => Buffer.from(list))) },
      { weight: 2, arbitrary: fc.uint8Array({ maxLength: 12 }).map((list) => Buffer.from(list)) },
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.concat(parts));

const MOST_RECORD_BYTES = 4096;
const options = { maxRecordBytes: MOST_RECORD_BYTES };

/** Items and the end of a parser that is fed in pieces of `size` bytes. */
function outcome(parser: RecordParser<unknown>, input: Buffer, size: number): string {
  const items: string[] = [];
  const take = (list: readonly object[]) => {
    for (const item of list) {
      const shown =
        item instanceof RejectedRecord ? ['rejected', item.error.code, item.position] : item;
      items.push(JSON.stringify(shown));
    }
  };
  try {
    for (let at = 0; at < input.length; at += size)
      take(parser.push(input.subarray(at, at + size)));
    take(parser.flush());
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    items.push(`threw ${error.code}`);
  }
  return items.join('\n');
}

/** However the bytes are cut, the same records, or the same error of ours at the end. */
function sameInPieces(what: string, make: () => RecordParser<unknown>): Fuzz {
  const property = fc.asyncProperty(bytes, fc.integer({ min: 1, max: 9 }), async (input, size) => {
    const whole = outcome(make(), input, Math.max(1, input.length));
    const pieces = outcome(make(), input, size);
    // Records before an error may be given out or not, by where the pieces end; never others.
    const threw = /^threw .*$/m.exec(whole)?.[0];
    if (threw === undefined) return whole === pieces;
    return pieces.endsWith(threw);
  });
  return { what, property: property as fc.IAsyncProperty<unknown> };
}

/** Ends well or with an error of ours. */
async function orOurs(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
  }
}

async function drain(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of items) count += 1;
  return count;
}

async function* cut(input: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < input.length; at += size) yield input.subarray(at, at + size);
}

function property(
  what: string,
  arbitrary: fc.Arbitrary<never> | fc.Arbitrary<unknown>,
  check: (value: never) => Promise<unknown>,
): Fuzz {
  return {
    what,
    property: fc.asyncProperty(arbitrary as fc.Arbitrary<never>, async (value) => {
      await check(value);
    }) as fc.IAsyncProperty<unknown>,
  };
}

const ROWS = 4;

export const FUZZES: readonly Fuzz[] = [
  sameInPieces('CSV', () => new CsvParser(options)),
  sameInPieces('NDJSON', () => new NdjsonParser(options)),
  sameInPieces('request files', () => new BatchFileParser(options)),
  property(
    'JSON documents',
    fc.tuple(bytes, fc.constantFrom('', 'a', 'a.b')),
    ([input, path]: [Buffer, string]) =>
      orOurs(() => drain(parseJson({ ...options, path })(cut(input, 5)))),
  ),
  property('request files, validated', bytes, async (input: Buffer) => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-fuzz-'));
    try {
      const path = join(directory, 'x.jsonl');
      writeFileSync(path, input);
      await orOurs(() => drain(validateRequestFile(path, { maxRequests: 100, maxBytes: 1e6 })));
    } finally {
      rmSync(directory, { recursive: true });
    }
  }),
  property('answers', fc.tuple(bytes, bytes), async ([output, error]: [Buffer, Buffer]) => {
    using job = new TestJob();
    job.seal(plainRows(ROWS));
    await orOurs(async () => {
      const summary = await job.join({ output: job.output(output), error: job.errors(error) });
      const { ok, failed, leftover } = summary;
      if (ok + failed + leftover !== ROWS) throw new Error(`${ok} + ${failed} + ${leftover}`);
      if (ok + failed > 0 && job.rows().length !== ok + failed) throw new Error('rows are lost');
    });
  }),
  property(
    'sealed shards that a hand has changed',
    fc.tuple(fc.constantFrom('requests.jsonl', 'records.ndjson'), fc.nat(), fc.nat(20), bytes),
    async ([file, at, gone, put]: [string, number, number, Buffer]) => {
      using job = new TestJob();
      job.seal(plainRows(ROWS));
      const path = join('shards', `${NAME}.${file}`);
      const text = Buffer.from(job.text(path));
      const start = at % text.length;
      job.write(path, Buffer.concat([text.subarray(0, start), put, text.subarray(start + gone)]));
      await orOurs(async () => {
        const { rows, ok, failed, leftover } = await job.join({
          output: job.output(`${okLine('job-0')}\n`),
          error: null,
        });
        if (rows !== ok + failed + leftover) throw new Error(`${rows} rows, ${ok} ok`);
      });
    },
  ),
  property('what a service says of files and batches', fc.jsonValue(), async (value) => {
    for (const read of [toBatch, toFile, toPage]) read(value);
    for (const key of ['data', 'errors', 'request_counts', 'metadata', 'created_at', 'status']) {
      toBatch({ id: 'batch_1', status: 'completed', [key]: value });
      toFile({ id: 'file-1', filename: 'x', [key]: value });
      toPage({ data: [{ id: 'x' }], [key]: value });
    }
  }),
  property(
    'errors of a service',
    fc.tuple(bytes, fc.integer({ min: 100, max: 599 }), fc.string()),
    async ([body, status, header]: [Buffer, number, string]) => {
      const answer = {
        status,
        header: () => header,
        body: body.toString(),
        retryAfterMs: undefined,
      };
      const { error } = refusal('GET /files', answer, (words) => words);
      if (/[\n\r\0]/.test(error.message)) throw new Error('an error of several lines');
      limitIn(error.message);
      const wait = retryAfterMs(() => header, 0);
      if (wait !== undefined && !(wait >= 0)) throw new Error(`a wait of ${wait}`);
    },
  ),
  property('fault scripts', fc.anything(), (value) => orOurs(() => parseFaultScript(value))),
];
