import { readFileSync } from 'node:fs';

const PAGE_BYTES = 64 * 1024; // 64 KiB, WebAssembly's own

/** A kernel's memory. Its buffer is never replaced, so that views of it stay valid. */
export interface KernelMemory<Bytes extends ArrayBufferLike = ArrayBuffer> {
  readonly buffer: Bytes;
}

/** A memory that goes to other threads with a message, without a copy. */
export type SharedKernelMemory = KernelMemory<SharedArrayBuffer>;

interface Limits {
  readonly initial: number;
  readonly maximum: number;
}

/** What is used here of WebAssembly: the types of Node know nothing of it. */
declare const WebAssembly: {
  readonly Memory: {
    new (limits: Limits): KernelMemory;
    new (limits: Limits & { shared: true }): SharedKernelMemory;
  };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

/** A memory of at least so many bytes. What is never touched of it takes no room. */
export function kernelMemory(bytes: number): KernelMemory {
  return new WebAssembly.Memory(limits(bytes));
}

/** The same for threads to share: its kernel is compiled with `sharedMemory`. */
export function sharedKernelMemory(bytes: number): SharedKernelMemory {
  return new WebAssembly.Memory({ ...limits(bytes), shared: true });
}

function limits(bytes: number): Limits {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return { initial: pages, maximum: pages };
}

/**
 * The functions of a kernel (AssemblyScript in the folder `kernel` of a rank, built into its
 * `data/kernel.wasm`) over a memory that the caller lays out: a kernel allocates nothing.
 */
export function loadKernel<Functions>(
  path: URL,
  memory: KernelMemory | SharedKernelMemory,
): Functions {
  let kernel = compiled.get(path.href);
  if (kernel === undefined) {
    kernel = new WebAssembly.Module(readFileSync(path));
    compiled.set(path.href, kernel);
  }
  return new WebAssembly.Instance(kernel, { env: { memory } }).exports as Functions;
}

/** Instances of one module share its machine code, which the engine makes better as it runs. */
const compiled = new Map<string, object>();
