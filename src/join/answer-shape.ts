import type { AnswerKernel } from './answer-kernel.ts';
import { type AnswerLine, COUNTS, readCount, readStatus } from './answer-line.ts';
import { hasEscape } from './json-bytes.ts';
import { LineShape } from './line-shape.ts';

/**
 * What was found in one answer, as places in its shape: the answers of a batch are alike, so that the
 * kernel knows the parts of most lines without a walk.
 */
export class AnswerShape {
  readonly #kernel: AnswerKernel;
  readonly #shape: LineShape;
  /** Offsets in the line that the shape was made of; -1 for what it has not. */
  readonly #idAt: number;
  readonly #statusAt: number;
  readonly #countsAt: readonly number[];
  readonly #response: readonly [first: number, last: number] | null;
  readonly #said: Pick<AnswerLine, 'status' | 'hasError'>;
  readonly #countsSaid: readonly number[];

  /** Of the line that `found` has just read; the kernel takes it for the shape of the next ones. */
  constructor(kernel: AnswerKernel, found: AnswerLine, bytes: Buffer, start: number, end: number) {
    const offset = (at: number) => (at === -1 ? -1 : at - start);
    this.#kernel = kernel;
    this.#idAt = found.idStart - 1 - start;
    this.#statusAt = offset(found.statusAt);
    this.#countsAt = COUNTS.map((key) => offset(found.usageAt[key]));
    this.#countsSaid = COUNTS.map((key) => found.usage[key]);
    this.#said = { status: found.status, hasError: found.hasError };
    const { responseStart, responseEnd } = found;
    this.#response = responseStart === -1 ? null : [offset(responseStart), offset(responseEnd - 1)];
    const variable = [this.#idAt, this.#statusAt, ...this.#countsAt];
    this.#shape = new LineShape(bytes.subarray(start, end), variable);
    this.#set();
  }

  /** Whether it has become of no use. */
  get worn(): boolean {
    return this.#shape.worn;
  }

  /** A line had the shape. */
  matched(): void {
    this.#shape.matched();
  }

  /** A line had not the shape, which changes for the next ones where it can. */
  missed(): void {
    if (this.#shape.missed(this.#kernel.missedAt)) this.#set();
  }

  /** Says of the line that matched last, in one of the kernel's blocks, what a walk would. */
  fill(into: AnswerLine, block: Buffer): void {
    const gap = (at: number): [number, number] => {
      const stretch = this.#shape.gapAt(at);
      const { froms, tos } = this.#shape;
      const before = this.#kernel.stretchStart(stretch, block);
      const end = this.#kernel.stretchStart(stretch + 1, block);
      return [before + tos[stretch]! - froms[stretch]!, end];
    };
    const [id, idEnd] = gap(this.#idAt);
    into.idStart = id + 1;
    into.idEnd = idEnd - 1;
    into.idEscaped = hasEscape(block, into.idStart, into.idEnd);
    into.hasError = this.#said.hasError;
    const [first, last] = this.#response?.map((at) => this.#placeOf(at, block)) ?? [-1, -2];
    into.responseStart = first!;
    into.responseEnd = last! + 1;
    into.status =
      this.#statusAt === -1 ? this.#said.status : readStatus(block, ...gap(this.#statusAt));
    for (const [n, key] of COUNTS.entries()) {
      const at = this.#countsAt[n]!;
      into.usage[key] = at === -1 ? this.#countsSaid[n]! : readCount(block, ...gap(at));
    }
  }

  #placeOf(at: number, block: Buffer): number {
    const stretch = this.#shape.stretchOf(at);
    return this.#kernel.stretchStart(stretch, block) + at - this.#shape.froms[stretch]!;
  }

  #set(): void {
    const shape = this.#shape;
    const gap = (at: number) => (at === -1 ? -1 : shape.gapAt(at));
    const [first, last] = this.#response ?? [-1, -1];
    this.#kernel.setShape({
      ...{ text: shape.text, froms: shape.froms, tos: shape.tos, kinds: shape.kinds },
      id: gap(this.#idAt),
      status: gap(this.#statusAt),
      counts: this.#countsAt.map(gap),
      statusSaid: this.#said.status,
      countsSaid: this.#countsSaid,
      hasError: this.#said.hasError,
      response: first === -1 ? null : [shape.stretchOf(first), first, shape.stretchOf(last), last],
    });
  }
}
