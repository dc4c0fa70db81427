/** Compiles what is older than its sources. */
export function setup(): void;
