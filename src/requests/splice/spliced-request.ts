import type { Position } from '../../core/record.ts';
import { CountedRequest, PreparedRequest, type RequestBody } from '../../core/request.ts';
import type { RawRecord } from '../../sources/raw/raw-record.ts';
import type { SpliceTemplate } from './template.ts';

/**
 * A counted request that was not built: a raw record and the template that its bytes go into. Valid
 * as long as the record.
 */
export class SplicedRequest {
  readonly raw: RawRecord;
  readonly position: Position;
  readonly template: SpliceTemplate;
  /** The user's own id, or null. */
  readonly customId: string | null;
  readonly tokens: number;

  constructor(
    raw: RawRecord,
    position: Position,
    template: SpliceTemplate,
    customId: string | null,
    tokens: number,
  ) {
    this.raw = raw;
    this.position = position;
    this.template = template;
    this.customId = customId;
    this.tokens = tokens;
  }

  /** The same request as the plain way makes it. */
  unsplice(): CountedRequest<unknown> {
    const { endpoint, model, body } = this.template;
    const { bytes, spans, at } = this.raw;
    let json = `{"model":${JSON.stringify(model)}${body.literals[0]}`;
    for (let i = 0; i < body.fields.length; i++) {
      const place = at + body.fields[i]! * 3;
      json += bytes.toString('utf8', spans[place]!, spans[place + 1]!) + body.literals[i + 1];
    }
    const record = this.raw.parse();
    const request = new PreparedRequest(
      record,
      this.position,
      this.customId,
      endpoint,
      JSON.parse(json) as RequestBody,
    );
    return new CountedRequest(request, this.tokens);
  }
  /** Bytes of the body behind `{"model":MODEL`. */
  get bodyBytes(): number {
    const { fields, literalBytes } = this.template.body;
    const { spans, at } = this.raw;
    let sum = literalBytes;
    for (const field of fields) sum += spans[at + field * 3 + 1]! - spans[at + field * 3]!;
    return sum;
  }
}
