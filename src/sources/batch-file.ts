import { RejectedRecord, type SourceItem, SourceRecord } from '../core/record.ts';
import type { Stage } from '../streams/stage.ts';
import { type NdjsonOptions, NdjsonParser, type RawLines } from './ndjson.ts';
import { type ParserOptions, parserStage, RecordParser, type StartAt, where } from './parser.ts';
import { ESCAPED, RawRecord, TEXT } from './raw/raw-record.ts';

/** A line of a request file, as the service's own guide has it. */
export interface BatchLine {
  readonly custom_id: string;
  readonly method: string;
  readonly url: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Reads an existing request file. Rejected, besides what NdjsonParser rejects: `invalid_batch_line`,
 * with its `custom_id` where it has one.
 */
export class BatchFileParser extends RecordParser<BatchLine> {
  readonly #lines: NdjsonParser;

  constructor({ raw, ...options }: NdjsonOptions = {}) {
    super();
    this.#lines = new NdjsonParser({
      ...options,
      ...(raw === undefined ? {} : { raw: requestLines(raw) }),
    });
  }

  get boundary(): StartAt {
    return this.#lines.boundary;
  }

  override close(): void {
    this.#lines.close();
  }

  *read(chunk: Uint8Array | null): Generator<SourceItem<BatchLine>> {
    for (const item of this.#lines.read(chunk)) yield checked(item);
  }
}

/** A stage from the bytes of a request file to its lines; see BatchFileParser. */
export function parseBatchFile(
  options: ParserOptions = {},
): Stage<Uint8Array, SourceItem<BatchLine>> {
  return parserStage(() => new BatchFileParser(options), options.strict ?? false);
}

/** The same, but that nothing is learned of lines that are rejected here. */
function requestLines(raw: RawLines): RawLines {
  return {
    input: raw.input,
    take: (data, start, end) => raw.take(data, start, end),
    learn(data, start, end, record) {
      if (whatIsWrong(record) === null) raw.learn(data, start, end, record);
    },
  };
}

function checked(item: SourceItem<unknown>): SourceItem<BatchLine> {
  if (item instanceof RejectedRecord) return item;
  if (item.record instanceof RawRecord) {
    // It is what a right line was, but for the strings at its places.
    if (hasId(item.record)) return item as SourceRecord<BatchLine>;
    return checked(new SourceRecord(item.record.parse(), item.position));
  }
  const line = item.record as Partial<Record<keyof BatchLine, unknown>>;
  const wrong = whatIsWrong(line);
  if (wrong === null) return item as SourceRecord<BatchLine>;
  return new RejectedRecord(
    item.record,
    item.position,
    {
      code: 'invalid_batch_line',
      message: `${where(item.position)}: ${wrong}; a request line is {"custom_id", "method": "POST", "url", "body"}`,
    },
    typeof line.custom_id === 'string' && line.custom_id !== '' ? line.custom_id : null,
  );
}

function hasId({ frame, spans, at }: RawRecord): boolean {
  const number = frame?.places.findIndex(([key]) => key === 'custom_id') ?? -1;
  if (number === -1) return true;
  const place = at + number * 3;
  const isText = spans[place + 2] === TEXT || spans[place + 2] === ESCAPED;
  return isText && spans[place + 1]! > spans[place]!;
}

function whatIsWrong(line: Partial<Record<keyof BatchLine, unknown>>): string | null {
  if (typeof line.custom_id !== 'string' || line.custom_id === '') {
    return 'custom_id is not a non-empty string';
  }
  if (line.method !== 'POST') return 'method is not "POST"';
  if (typeof line.url !== 'string') return 'url is not a string';
  const { body } = line;
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
  return isObject ? null : 'body is not an object';
}
