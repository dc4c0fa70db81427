import { type KernelMemory, kernelMemory, loadKernel } from '../streams/kernel.ts';

/** What is never touched of it takes no room, so that each memory may serve any use. */
const LEAST_BYTES = 32 * 1024 * 1024; // 32 MiB
const MOST_SPARES = 2;

/** The functions of the join's kernel; `kernel/layout.ts` says what they find where. */
interface JoinFunctions {
  takeLines(start: number, end: number): number;
  findId(address: number, bytes: number): number;
  addIds(start: number, end: number): number;
  addId(text: number, textBytes: number, own: number, ownBytes: number, lineEnd: number): number;
  numberIds(): void;
  composeRows(): number;
  planRoom(): void;
  planWhole(): void;
  pickAnswers(stretch: number, bytes: number, start: number): void;
}

/** The join's kernel over a memory of its own. */
export interface JoinKernel {
  readonly memory: KernelMemory;
  readonly functions: JoinFunctions;
}

const spares: JoinKernel[] = [];

/**
 * A kernel with a memory of at least so many bytes, with whatever in it: one that was given back, or
 * a new one. What each shard allocates anew would lie there until the garbage is collected.
 */
export function takeKernel(bytes: number): JoinKernel {
  const found = spares.findIndex(({ memory }) => memory.buffer.byteLength >= bytes);
  if (found !== -1) return spares.splice(found, 1)[0]!;
  // A power of two, so that the next shard of about that size fits too.
  const memory = kernelMemory(Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(bytes))));
  const path = new URL('./data/kernel.wasm', import.meta.url);
  return { memory, functions: loadKernel<JoinFunctions>(path, memory) };
}

/** Gives a kernel back in whose memory nobody looks any more; the last ones are kept. */
export function giveKernel(kernel: JoinKernel): void {
  spares.unshift(kernel);
  if (spares.length > MOST_SPARES) spares.pop();
}
