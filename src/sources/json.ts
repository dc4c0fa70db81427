import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import parser from 'stream-json/parser.js';
import { MillraceError } from '../core/errors.ts';
import type { SourceItem } from '../core/record.ts';
import { EachOf } from '../streams/batches.ts';
import { abortable, defineStage, type Stage } from '../streams/stage.ts';
import { beginsArray, type JsonArrayOptions, JsonArrayParser } from './json-array.ts';
import { JsonElements, type JsonToken } from './json-elements.ts';
import { JsonPathParser } from './json-path.ts';
import {
  accepted,
  type ParserOptions,
  type RecordParser,
  readItems,
  recordLimit,
} from './parser.ts';
import { ReplayedInput } from './replay.ts';
import { Utf8Check } from './utf8.ts';

/** How a JSON document is read. */
export interface JsonOptions extends Omit<ParserOptions, 'startAt'> {
  /** Dotted path of the array whose elements are the records. Default: the document itself. */
  readonly path?: string;
}

/**
 * A stage from the bytes of one JSON document to the elements of an array in it, in constant memory.
 * Positions have a row and no byte. Rejected: `not_an_object`, `record_too_large` (its strings,
 * numbers and brackets counted in UTF-16 units). Throws `bad_json`, `no_json_array`,
 * `invalid_encoding`. The type is not checked.
 */
export function parseJson<T = unknown>(
  options: JsonOptions = {},
): Stage<Uint8Array, SourceItem<T>> {
  const label = options.source ?? '<stream>';
  const maxRecordBytes = recordLimit(options.maxRecordBytes);
  const byTokens = parseTokens<T>({ ...options, source: label, maxRecordBytes });
  return (source, stageOptions) => {
    const signal = stageOptions?.signal;
    const blocks = async function* (): AsyncGenerator<Iterable<SourceItem<T>>, void, undefined> {
      const input = new ReplayedInput(abortable(source, signal));
      const array = await arrayParser(input, { source: label, maxRecordBytes }, options.path);
      if (array !== null) {
        yield* readItems(input, array as RecordParser<T>, options.strict ?? false);
        return;
      }
      for await (const item of byTokens(input, stageOptions)) yield [item];
    };
    return new EachOf(blocks(), signal);
  };
}

/** What reads an array at `path`, or the document where it is one; null for what the tokens must tell. */
export async function arrayParser(
  input: ReplayedInput,
  options: JsonArrayOptions,
  path: string | null = null,
): Promise<RecordParser<unknown> | null> {
  if (path !== null && path !== '') return new JsonPathParser({ ...options, path });
  return (await beginsArray(input)) ? new JsonArrayParser(options) : null;
}

/**
 * The same by the tokens of stream-json, for whatever the document is; what the fast way of arrays is
 * held to in tests.
 */
export function parseTokens<T = unknown>(
  options: JsonOptions = {},
): Stage<Uint8Array, SourceItem<T>> {
  const label = options.source ?? '<stream>';
  return defineStage(async function* (source, signal) {
    const elements = new JsonElements(
      label,
      options.path ?? '',
      recordLimit(options.maxRecordBytes),
    );
    // Strings come in chunks, so that one of any length is never held whole by the tokenizer.
    const tokens = parser.asStream({ packValues: false });
    const input = Readable.from(decoded(source, label), { objectMode: true, highWaterMark: 1 });
    const done = pipeline(input, tokens, signal === undefined ? {} : { signal });
    // The failure of the pipeline destroys the tokenizer, so the loop below meets it too.
    done.catch(() => undefined);
    let row = 0;
    try {
      for await (const token of tokens) {
        const item = elements.accept(token as JsonToken);
        if (item === null) continue;
        row = item.position.row;
        yield (options.strict ? accepted(item) : item) as SourceItem<T>;
      }
      await done;
    } catch (error) {
      throw translate(error, label, row, signal);
    } finally {
      tokens.destroy();
    }
    elements.finish();
  });
}

async function* decoded(
  source: AsyncIterable<Uint8Array>,
  label: string,
): AsyncGenerator<string, void, undefined> {
  const check = new Utf8Check(label);
  const decoder = new TextDecoder();
  for await (const chunk of source) {
    check.push(chunk);
    const text = decoder.decode(chunk, { stream: true });
    if (text !== '') yield text;
  }
  check.flush();
}

/** The tokenizer's own errors are plain ones, and may quote the text. */
function translate(
  error: unknown,
  label: string,
  row: number,
  signal: AbortSignal | undefined,
): unknown {
  signal?.throwIfAborted();
  const plain = error instanceof Error && error.constructor === Error && !('code' in error);
  if (!plain) return error;
  return new MillraceError(
    'bad_json',
    `${label}: the document is not valid JSON behind row ${row}; check that it is whole`,
  );
}
