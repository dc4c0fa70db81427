import { baseEncoding } from './encoder.ts';
import { type Merges, readMerges } from './merges.ts';
import { type ModelTable, modelInfo } from './models.ts';
import { buildPairs, type PairTables } from './pairs.ts';
import { readTrie, type Trie } from './trie.ts';

/**
 * All that is known of an encoding beforehand, about 8 MB of it. Never written to once it is loaded,
 * and in memory that threads share: what goes to a worker with a message is not copied.
 */
export interface EncodingTables {
  readonly name: 'o200k_base' | 'cl100k_base';
  readonly merges: Merges;
  readonly pairs: PairTables;
  readonly trie: Trie;
}

const loaded = new Map<string, EncodingTables>();

/** The tables of an encoding: those that another thread gave, else from their files. */
export function encodingTables(name: EncodingTables['name']): EncodingTables {
  let tables = loaded.get(name);
  if (tables === undefined) {
    const merges = readMerges(name);
    tables = { name, merges, pairs: buildPairs(merges), trie: readTrie(name) };
    loaded.set(name, tables);
  }
  return tables;
}

/** The tables of a model's encoding. */
export function modelTables(baseModel: string, table: ModelTable): EncodingTables {
  return encodingTables(baseEncoding(modelInfo(baseModel, table).encoding));
}

/** Takes the tables that another thread loaded: this one need not. */
export function giveTables(tables: EncodingTables): void {
  loaded.set(tables.name, tables);
}
