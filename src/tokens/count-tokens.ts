import { RejectedRecord } from '../core/record.ts';
import {
  type CountedItem,
  CountedRequest,
  PreparedRequest,
  type RequestItem,
} from '../core/request.ts';
import type { TokenCounter } from '../core/tokens.ts';
import { defineStage, type Stage, wiredWrongly } from '../streams/stage.ts';
import { type CounterOptions, createTokenCounter } from './counter.ts';

/** Which base model's rules to count by. */
export interface CountTokensOptions extends CounterOptions {
  /** The base model, such as `gpt-4o`: on Azure a deployment's name does not tell it. */
  readonly model: string;
}

/**
 * The stage that puts its input tokens on every request. Takes a model, whose encoding is loaded
 * with the first item, or a counter that is ready. Rejected records pass untouched.
 */
export function countTokens<T = unknown>(
  options: CountTokensOptions | TokenCounter,
): Stage<RequestItem<T>, CountedItem<T>> {
  return defineStage(async function* (source) {
    let counter: TokenCounter | undefined;
    for await (const item of source) {
      if (item instanceof RejectedRecord) {
        yield item;
        continue;
      }
      if (!(item instanceof PreparedRequest)) {
        throw wiredWrongly('countTokens', 'the requests of buildRequests()', item);
      }
      counter ??=
        'countRequest' in options ? options : await createTokenCounter(options.model, options);
      yield new CountedRequest(item, counter.countRequest(item.endpoint, item.body));
    }
  });
}
