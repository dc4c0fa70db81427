import { readFileSync } from 'node:fs';
import { errorMessage, MillraceError } from '../core/errors.ts';

/** An encoding whose tokens we can count. `o200k_harmony` splits plain text as `o200k_base` does. */
export type EncodingName = 'o200k_base' | 'o200k_harmony' | 'cl100k_base';

/** Tokens that a chat request has beside its texts. */
export interface ChatRule {
  readonly perMessage: number;
  readonly perName: number;
  readonly replyPriming: number;
}

/** Tokens that the definition of functions adds beside its texts. */
export interface ToolRule {
  readonly funcInit: number;
  readonly propInit: number;
  readonly propKey: number;
  readonly enumInit: number;
  readonly enumItem: number;
  /** Once for all functions. */
  readonly funcEnd: number;
}

/** An image costs `base + tile * tiles`, or `patches * multiplier` under the named limits. */
export type ImageRule =
  | { readonly base: number; readonly tile: number }
  | { readonly multiplier: number; readonly limits: string };

/** What an image is scaled down to before its patches are counted. Absent means no limit. */
export interface PatchLimit {
  /** Longest side in pixels. */
  readonly maxDim?: number;
  readonly patches?: number;
}

/** Money for `perTokens` tokens, in batch. */
export interface Price {
  readonly input: number;
  /** Null when the model has no price of its own for cached input. */
  readonly cachedInput: number | null;
  readonly output: number;
}

/** The facts of `data/models.json`: they age, so they are dated and a file of the user can replace them. */
export interface ModelTable {
  /** ISO 8601 date of the facts. */
  readonly date: string;
  readonly defaultEncoding: EncodingName;
  readonly encodings: {
    readonly exact: Readonly<Record<string, EncodingName>>;
    readonly prefix: Readonly<Record<string, EncodingName>>;
  };
  /** Other spellings, to the names under which the prices stand. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly chat: Readonly<Record<string, ChatRule>> & { readonly default: ChatRule };
  /** By encoding. */
  readonly tools: Readonly<Record<string, ToolRule>>;
  /** By the beginning of a model's name. */
  readonly images: Readonly<Record<string, ImageRule>> & { readonly default: ImageRule };
  /** By the name in an ImageRule, then by detail; `*` is any other detail. */
  readonly imageLimits: Readonly<Record<string, Readonly<Record<string, PatchLimit>>>>;
  /** The service rejects an image above it. */
  readonly maxPatchesPerImage: number;
  readonly prices: {
    readonly currency: string;
    readonly perTokens: number;
    readonly date: string;
    readonly models: Readonly<Record<string, Price>>;
  };
}

/** What is known of one base model. */
export interface ModelInfo {
  readonly model: string;
  readonly encoding: EncodingName;
  /** False when the name is in no table and the default encoding was taken. */
  readonly known: boolean;
  /** Batch price, or null when it is not known. */
  readonly price: (Price & PriceUnit) | null;
}

/** In what, for how many tokens, and of which day a price is. */
export interface PriceUnit {
  readonly currency: string;
  readonly perTokens: number;
  /** ISO 8601 date. */
  readonly date: string;
}

/** Tokens to be paid. `cached` is a part of `input`. */
export interface BilledTokens {
  readonly input: number;
  readonly cached?: number;
  readonly output?: number;
}

const DATED = /-(\d{4}-\d{2}-\d{2}|\d{4})$/;

let shipped: ModelTable | undefined;

/** The table at `path`, or the one that is shipped. Throws `model_table` when it cannot be used. */
export function loadModelTable(path?: string): ModelTable {
  if (path !== undefined) return readTable(path, path);
  shipped ??= readTable(new URL('./data/models.json', import.meta.url), 'data/models.json');
  return shipped;
}

function readTable(file: string | URL, name: string): ModelTable {
  let table: unknown;
  try {
    table = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new MillraceError(
      'model_table',
      `Cannot read the model table ${name}: ${errorMessage(cause)}`,
      { cause },
    );
  }
  if (!isModelTable(table)) {
    throw new MillraceError(
      'model_table',
      `${name} is not a model table: start from the data/models.json that is shipped and keep its keys`,
    );
  }
  return table;
}

const SECTIONS = [
  'encodings',
  'aliases',
  'chat',
  'tools',
  'images',
  'imageLimits',
  'prices',
] as const;

function isModelTable(value: unknown): value is ModelTable {
  if (typeof value !== 'object' || value === null) return false;
  const table = value as Record<string, unknown>;
  return (
    SECTIONS.every((key) => typeof table[key] === 'object' && table[key] !== null) &&
    typeof table.date === 'string' &&
    typeof table.defaultEncoding === 'string' &&
    typeof table.maxPatchesPerImage === 'number'
  );
}

/** What the table says of a base model; of an unknown one, the default encoding and no price. */
export function modelInfo(baseModel: string, table: ModelTable = loadModelTable()): ModelInfo {
  const model = canonical(baseModel);
  const { exact, prefix } = table.encodings;
  const encoding = own(exact, model) ?? own(prefix, longestPrefix(Object.keys(prefix), model));
  const { models, ...unit } = table.prices;
  const price = findPrice(table, model);
  return {
    model: baseModel,
    encoding: encoding ?? table.defaultEncoding,
    known: encoding !== undefined,
    price: price === undefined ? null : { ...price, ...unit },
  };
}

/** The batch price of so many tokens in the table's currency, or null when no price is known. */
export function estimateCost(
  baseModel: string,
  tokens: BilledTokens,
  table: ModelTable = loadModelTable(),
): number | null {
  const price = modelInfo(baseModel, table).price;
  if (price === null) return null;
  const cached = Math.min(tokens.cached ?? 0, tokens.input);
  const sum =
    (tokens.input - cached) * price.input +
    cached * (price.cachedInput ?? price.input) +
    (tokens.output ?? 0) * price.output;
  return sum / price.perTokens;
}

/** The chat rule of a model. */
export function chatRule(baseModel: string, table: ModelTable): ChatRule {
  return own(table.chat, canonical(baseModel)) ?? table.chat.default;
}

/** The image rule of the longest name that the model begins with, a whole part of the name. */
export function imageRule(baseModel: string, table: ModelTable): ImageRule {
  const model = canonical(baseModel).replace(/^(ft:|chat(?=gpt-))/, '');
  const names = Object.keys(table.images).filter(
    (name) => model.length === name.length || '-:'.includes(model.charAt(name.length)),
  );
  return own(table.images, longestPrefix(names, model)) ?? table.images.default;
}

function findPrice(table: ModelTable, model: string): Price | undefined {
  const { models } = table.prices;
  const undated = model.replace(DATED, '');
  for (const name of [model, own(table.aliases, model), undated]) {
    const price = own(models, name);
    if (price !== undefined) return price;
  }
  return undefined;
}

function canonical(model: string): string {
  return model.trim().toLowerCase();
}

function longestPrefix(names: readonly string[], model: string): string | undefined {
  let best: string | undefined;
  for (const name of names) {
    if (model.startsWith(name) && name.length > (best?.length ?? 0)) best = name;
  }
  return best;
}

function own<V>(map: Readonly<Record<string, V>>, key: string | undefined): V | undefined {
  return key !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}
