import { kernelMemory, loadKernel } from '../../streams/kernel.ts';

/** What is never touched of it takes no room. */
const MEMORY_BYTES = 64 * 1024 * 1024; // 64 MiB
/** Areas begin at a multiple, which is also what a disk writes at once. */
const AREA_BYTES = 4096;

/** The kernel's functions, described there; all numbers but `writeNumber`'s first are addresses. */
interface RawFunctions {
  take(
    at: number,
    stop: number,
    shape: number,
    values: number,
    spans: number,
    out: number,
    limit: number,
  ): number;
  assemble(shape: number, values: number, spans: number, out: number, limit: number): number;
  csv(columns: number, fields: number, spans: number, out: number, limit: number): number;
  join(pieces: number, spans: number, to: number): number;
  joinText(pieces: number, spans: number, out: number, limit: number): number;
  writeNumber(value: number, to: number): number;
  copy(from: number, bytes: number, to: number): number;
  lines(at: number, end: number): number;
}

/** A part of the memory. */
export interface Area {
  readonly start: number;
  readonly end: number;
}

/**
 * The memory that this thread's raw records, their parts and the lines made of them lie in, with the
 * kernel over it.
 */
export class RawMemory {
  readonly #memory = kernelMemory(MEMORY_BYTES);
  readonly kernel: RawFunctions = loadKernel(
    new URL('data/kernel.wasm', import.meta.url),
    this.#memory,
  );
  /** All of it. */
  readonly bytes: Buffer = Buffer.from(this.#memory.buffer);
  /** The same as whole numbers of four bytes. */
  readonly words = new Int32Array(this.#memory.buffer);
  /** Given back areas by their size. */
  readonly #free = new Map<number, Area[]>();
  /** Behind the last area; address 0 is nobody's. */
  #end = AREA_BYTES;

  /** An area of at least so many bytes, with whatever in them, or null when the memory is full. */
  take(bytes: number): Area | null {
    const size = Math.ceil(bytes / AREA_BYTES) * AREA_BYTES;
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) return free;
    if (size > MEMORY_BYTES - this.#end) return null;
    const start = this.#end;
    this.#end += size;
    return { start, end: this.#end };
  }

  give(area: Area | null): void {
    if (area === null) return;
    const size = area.end - area.start;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [area]);
    else free.push(area);
  }
}

let memory: RawMemory | undefined;

/** Made when it is first asked for. */
export function rawMemory(): RawMemory {
  memory ??= new RawMemory();
  return memory;
}
