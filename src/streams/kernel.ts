import { readFileSync } from 'node:fs';

const PAGE_BYTES = 64 * 1024; // 64 KiB, WebAssembly's own

/** A kernel's memory. Its buffer is never replaced, so that views of it stay valid. */
export interface KernelMemory {
  readonly buffer: ArrayBuffer;
}

/** What is used here of WebAssembly: the types of Node know nothing of it. */
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number }) => KernelMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

/** A memory of at least so many bytes. What is never touched of it takes no room. */
export function kernelMemory(bytes: number): KernelMemory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages });
}

/**
 * The functions of a kernel (AssemblyScript in the folder `kernel` of a rank, built into its
 * `data/kernel.wasm`) over a memory that the caller lays out: a kernel allocates nothing.
 */
export function loadKernel<Functions>(path: URL, memory: KernelMemory): Functions {
  const kernel = new WebAssembly.Module(readFileSync(path));
  return new WebAssembly.Instance(kernel, { env: { memory } }).exports as Functions;
}
