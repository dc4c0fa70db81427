import { type ObjectMaker, objectMaker } from './object-maker.ts';
import type { RecordKernel } from './record-kernel.ts';

/**
 * Takes rows of CSV that are written in the usual form straight to objects: lines that end in LF or
 * CRLF, as many fields as columns, nothing behind a closing quote. Any other is left to the scanner.
 */
export class CsvRows {
  /** Of the row that was taken last: where it starts, and where the next one may. */
  start = 0;
  next = 0;

  readonly #kernel: RecordKernel;
  readonly #delimiter: number;
  readonly #maxRecordBytes: number;
  readonly #make: ObjectMaker<unknown>;
  readonly #columns: number;

  constructor(
    kernel: RecordKernel,
    columns: readonly string[],
    delimiter: number,
    maxRecordBytes: number,
  ) {
    this.#kernel = kernel;
    this.#delimiter = delimiter;
    this.#maxRecordBytes = maxRecordBytes;
    this.#make = objectMaker(columns);
    this.#columns = columns.length;
  }

  /** The next row behind `from`, empty lines passed over; null when it is not there or is unusual. */
  take(data: Buffer, from: number): Record<string, string> | null {
    const kernel = this.#kernel;
    if (!kernel.holds(data)) return null;
    if (!kernel.row(from, data.length, this.#columns, this.#delimiter)) return null;
    if (kernel.end - kernel.start > this.#maxRecordBytes) return null;
    this.start = kernel.start;
    this.next = kernel.next;
    const values = kernel.read(this.#columns);
    return values === null ? null : (this.#make(values) as Record<string, string>);
  }
}
