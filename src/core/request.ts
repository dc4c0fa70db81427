import type { Position, RejectedRecord } from './record.ts';

/** The operations that a batch line can name, without the `/v1` that some dialects put before. */
export type Endpoint = '/chat/completions' | '/responses' | '/embeddings' | '/completions';

/** The body of one request. `model` is written first in a sealed line. */
export interface RequestBody {
  model: string;
  [parameter: string]: unknown;
}

/** A record and the request that was built for it. */
export class PreparedRequest<T> {
  readonly record: T;
  readonly position: Position;
  /** The user's own id, or null: the shard writer gives `<job>-<ordinal>`. */
  readonly customId: string | null;
  readonly endpoint: Endpoint;
  readonly body: RequestBody;
  /** The JSON Schema that the answer is checked against, or null. */
  readonly schema: Readonly<Record<string, unknown>> | null;

  constructor(
    record: T,
    position: Position,
    customId: string | null,
    endpoint: Endpoint,
    body: RequestBody,
    schema: Readonly<Record<string, unknown>> | null = null,
  ) {
    this.record = record;
    this.position = position;
    this.customId = customId;
    this.endpoint = endpoint;
    this.body = body;
    this.schema = schema;
  }
}

/** A request whose input tokens are known. */
export class CountedRequest<T> extends PreparedRequest<T> {
  /** Input tokens. */
  readonly tokens: number;

  constructor(request: PreparedRequest<T>, tokens: number) {
    const { record, position, customId, endpoint, body, schema } = request;
    super(record, position, customId, endpoint, body, schema);
    this.tokens = tokens;
  }
}

/** What `buildRequests` yields. */
export type RequestItem<T> = PreparedRequest<T> | RejectedRecord;
/** What `countTokens` yields, and `writeShards` takes. */
export type CountedItem<T> = CountedRequest<T> | RejectedRecord;
