import type { Endpoint, RequestBody } from './request.ts';

/** Counts the input tokens of requests for one base model. */
export interface TokenCounter {
  /** The base model whose rules and encoding are used. */
  readonly model: string;
  /** Such as `o200k_base`. */
  readonly encoding: string;
  /** Tokens of plain text, special-token look-alikes counted as text. */
  countText(text: string): number;
  /** Input tokens of one request by the rules of its endpoint. */
  countRequest(endpoint: Endpoint, body: RequestBody): number;
}
