import type { SplicedRequest } from '../requests/splice/spliced-request.ts';
import { headText } from './format.ts';
import { BLOCK_BYTES, type LineFile } from './line-file.ts';
import type { JobHead } from './serialise.ts';

const ID_PREFIX = '{"custom_id":';
const ORDINAL_PREFIX = '{"ordinal":';
const RECORD_KEY = Buffer.from(',"record":');
const END = Buffer.from('}');

/** Writes the two lines of spliced requests, the same bytes that `serialise` gives. */
export class SplicedLines {
  readonly #head: Buffer;
  #item: SplicedRequest | null = null;
  #id = '';
  #ascii = true;
  #ordinal = '';
  requestBytes = 0;
  recordBytes = 0;

  constructor(head: JobHead) {
    this.#head = Buffer.from(headText(head.endpoint, head.model));
  }

  /** Measures the lines of the next request. */
  measure(item: SplicedRequest, ordinal: number, customId: string): void {
    this.#item = item;
    this.#ordinal = String(ordinal);
    // An id that is made holds nothing that JSON writes otherwise.
    this.#ascii = item.customId === null;
    this.#id = this.#ascii ? `"${customId}"` : JSON.stringify(customId);
    const idBytes = this.#ascii ? this.#id.length : Buffer.byteLength(this.#id);
    const { raw } = item;
    this.requestBytes =
      ID_PREFIX.length + idBytes + this.#head.length + item.bodyBytes + END.length;
    this.recordBytes =
      ORDINAL_PREFIX.length +
      this.#ordinal.length +
      RECORD_KEY.length +
      (raw.end - raw.start) +
      END.length;
  }

  /** Whether lines of this size can be written by pieces at all. */
  get small(): boolean {
    return this.requestBytes < BLOCK_BYTES && this.recordBytes < BLOCK_BYTES;
  }

  writeRequest(file: LineFile): void {
    const { raw, template } = this.#item!;
    const { literals, fields } = template.body;
    file.putAscii(ID_PREFIX);
    if (this.#ascii) file.putAscii(this.#id);
    else file.putText(this.#id);
    file.put(this.#head);
    file.put(literals[0]!);
    for (let i = 0; i < fields.length; i++) {
      const place = raw.at + fields[i]! * 3;
      file.put(raw.bytes, raw.spans[place]!, raw.spans[place + 1]!);
      file.put(literals[i + 1]!);
    }
    file.put(END);
    file.endLine(this.requestBytes);
  }

  writeRecord(file: LineFile): void {
    const { raw } = this.#item!;
    file.putAscii(ORDINAL_PREFIX);
    file.putAscii(this.#ordinal);
    file.put(RECORD_KEY);
    file.put(raw.bytes, raw.start, raw.end);
    file.put(END);
    file.endLine(this.recordBytes);
  }
}
