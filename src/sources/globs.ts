import { glob, stat } from 'node:fs/promises';
import { UsageError } from '../core/errors.ts';

/**
 * The files that the patterns name, in the order of the patterns and sorted by code unit within
 * each; `-` is kept. A name without `* ? [ {`, or one that exists as it stands, is a file of that
 * name. A file that several patterns name is there once. Throws a UsageError naming the pattern that
 * matches nothing.
 */
export async function expandGlobs(patterns: readonly string[]): Promise<string[]> {
  const paths = new Set<string>();
  for (const pattern of patterns) {
    if (pattern === '-' || !/[*?[{]/.test(pattern) || (await isFile(pattern))) {
      paths.add(pattern);
      continue;
    }
    const found: string[] = [];
    for await (const path of glob(pattern)) if (await isFile(path)) found.push(path);
    if (found.length === 0) {
      throw new UsageError(`${pattern}: no file matches; check the pattern and the folder`);
    }
    for (const path of found.sort()) paths.add(path);
  }
  if (paths.size === 0) throw new UsageError('no source: name at least one file, glob, or -');
  return [...paths];
}

async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found !== null && !found.isDirectory();
}
