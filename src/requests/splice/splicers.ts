import type { Position } from '../../core/record.ts';
import type { RawRecord } from '../../sources/raw/raw-record.ts';
import type { SplicedRequest } from './spliced-request.ts';
import { type SpliceCounter, Splicer } from './splicer.ts';
import type { RequestSplice } from './template.ts';
import { TemplateCache } from './template-cache.ts';

/** Makes counted requests of raw records; see Splicer, of which it has one for each template. */
export class Splicers {
  readonly #splice: RequestSplice;
  readonly #splicers: TemplateCache<Splicer>;
  #counter: SpliceCounter | null = null;

  constructor(splice: RequestSplice) {
    this.#splice = splice;
    this.#splicers = new TemplateCache((template) => new Splicer(template, this.#counter!));
  }

  /** The request, or null when the record has to be built into one. The counter is always the same. */
  make(raw: RawRecord, position: Position, counter: SpliceCounter): SplicedRequest | null {
    const template = this.#splice.templateFor(raw);
    this.#counter = counter;
    return template === null ? null : this.#splicers.get(template).make(raw, position);
  }

  close(): void {
    this.#splicers.close();
  }
}
