import type { TokenCounter } from '../core/tokens.ts';
import { loadEncoding } from './encoder.ts';
import type { ImageSize } from './image-size.ts';
import { chatRule, imageRule, loadModelTable, type ModelTable, modelInfo } from './models.ts';
import { type RequestRules, requestTokens } from './rules.ts';

/** How requests are counted. */
export interface CounterOptions {
  /** The facts about models. Default: those that are shipped. */
  readonly table?: ModelTable;
  /** Taken for every image whose size cannot be read from its data. Default: the worst case. */
  readonly imageSize?: ImageSize;
}

/** A counter that says whether it knows its model. */
export interface ModelTokenCounter extends TokenCounter {
  /** False when the model is in no table and the default encoding and rules are used. */
  readonly known: boolean;
  /** Tokens of plain text that is UTF-8 already: `bytes[start, end)`, the whole by default. */
  countUtf8(bytes: Uint8Array, start?: number, end?: number): number;
}

/** The counter for a base model such as `gpt-4o`; its encoding is loaded now. */
export async function createTokenCounter(
  model: string,
  options: CounterOptions = {},
): Promise<ModelTokenCounter> {
  const table = options.table ?? loadModelTable();
  const { encoding, known } = modelInfo(model, table);
  const text = await loadEncoding(encoding);
  const countText = (value: string) => text.countText(value);
  const tools = table.tools[encoding] ?? table.tools.o200k_base!;
  const rules: RequestRules = {
    table,
    chat: chatRule(model, table),
    tools,
    image: imageRule(model, table),
    imageSize: options.imageSize ?? null,
    countText,
  };
  return {
    model,
    encoding,
    known,
    countText,
    countUtf8: (bytes, start, end) => text.countUtf8(bytes, start, end),
    countRequest: (endpoint, body) => requestTokens(endpoint, body, rules),
  };
}
