import { compressionOfBytes } from '../streams/compression.ts';
import { CsvParser } from './csv.ts';
import { CsvRecords } from './csv-records.ts';
import type { SourceDescription } from './description.ts';
import { encodingOfBytes } from './encoding.ts';
import { unpackedBytes } from './unpack.ts';

/** Enough for a byte order mark and for the mark of a compression. */
const MARK_BYTES = 4;

/**
 * What the first bytes of a source tell beyond its name. `open` gives the bytes from the start each
 * time; `isFile` says whether reading can start at any offset of them.
 */
export async function describeBytes(
  named: SourceDescription,
  open: () => AsyncIterable<Uint8Array>,
  isFile: boolean,
): Promise<SourceDescription> {
  const packed = await head(open());
  const compression = compressionOfBytes(packed);
  const plain = { compression, encoding: 'utf-8', label: named.label };
  const text = compression === null ? packed : await head(unpackedBytes(plain, open()));
  const mark = encodingOfBytes(text);
  const marked = named.encoding === 'utf-8' || named.encoding.startsWith('utf-16');
  const encoding = mark !== null && marked ? mark : named.encoding;
  const seekable =
    isFile && compression === null && encoding === 'utf-8' && named.format !== 'json';
  const start = seekable && mark === 'utf-8' ? 3 : 0;
  const known: SourceDescription = { ...named, compression, encoding, seekable, start };
  return known.format === 'csv' ? describeCsv(known, unpackedBytes(known, open())) : known;
}

async function describeCsv(
  known: SourceDescription,
  bytes: AsyncIterable<Uint8Array>,
): Promise<SourceDescription> {
  const parser = new CsvParser({
    source: known.label,
    maxRecordBytes: known.maxRecordBytes,
    header: known.header || (known.columns ?? false),
    // Few rows are looked at here, of perhaps thousands of files at a time: no kernel for each.
    maker: (columns) => new CsvRecords(columns),
    ...(known.delimiter === null ? {} : { delimiter: known.delimiter }),
  });
  await readFirst(parser, bytes);
  parser.close();
  const dialect = parser.dialect ?? { delimiter: known.delimiter ?? ',', newline: 'lf' };
  return {
    ...known,
    ...dialect,
    columns: parser.columns ?? [],
    start: known.seekable ? (parser.dataStart ?? known.start) : 0,
  };
}

async function readFirst(parser: CsvParser, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of bytes) {
    parser.push(chunk);
    if (parser.columns !== null && parser.dialect !== null) return;
  }
  parser.flush();
}

async function head(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  let found = Buffer.alloc(0);
  for await (const chunk of bytes) {
    found = Buffer.concat([found, chunk.subarray(0, MARK_BYTES)]);
    if (found.length >= MARK_BYTES) break;
  }
  return found;
}
