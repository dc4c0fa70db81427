import type { Endpoint, RequestBody } from '../../core/request.ts';
import type { RawRecord } from '../../sources/raw/raw-record.ts';
import type { RawWish } from '../../sources/raw/raw-wish.ts';
import { compileBody, imageFieldsOf } from '../body-template.ts';
import type { RequestTemplate } from '../definition.ts';
import { requireEndpoint } from '../endpoint.ts';
import { embeddingInputs } from '../inputs.ts';
import { validateRequestBody } from '../validate-body.ts';
import { batchSplice } from './line-frame.ts';
import { cut, cutBody, mark, type Pieces } from './pieces.ts';
import { textPlaces, valueAt, wantsText } from './text-places.ts';

/** A request as bytes, for records that are. */
export interface RequestSplice {
  /** What the records have to be. */
  readonly raw: RawWish;
  /** The model of all requests, or null where each names its own. */
  readonly model: string | null;
  /** What the record's bytes go into, or null when it has to be built into a request. */
  templateFor(raw: RawRecord): SpliceTemplate | null;
}

/**
 * What the body of a request is when every field of it is a text. Then nothing has to be built or
 * checked for a record; its fields are put between the literals.
 */
export interface SpliceTemplate {
  readonly endpoint: Endpoint;
  readonly model: string;
  /** How many fields a record must have. */
  readonly fields: number;
  /** Which of the fields is the custom_id, or -1. */
  readonly id: number;
  /** Whether numbers, true, false and null may stand for a text: not where they keep their type. */
  readonly scalars: boolean;
  /** The fields that are numbers, and are written as such. */
  readonly numbers: ReadonlySet<number>;
  /** The fields that are URLs of images. */
  readonly urls: readonly number[];
  /** The body's JSON behind `{"model":MODEL`. */
  readonly body: Pieces;
  /** The texts with fields in them: what a counter has to look at for each record. */
  readonly texts: readonly Pieces[];
  /** Whether a request with an empty text would be refused. */
  readonly wantsText: boolean;
  /** Whether a request without the word JSON in one of the texts would be refused. */
  readonly wantsWord: boolean;
  /** Texts that it embeds; 0 for other endpoints. */
  readonly inputs: number;
  /** A body with these texts, for what does not depend on them. */
  readonly sample: RequestBody;
  readonly sampleTexts: readonly string[];
}

/**
 * Compiles a declared request, or gives null for one that has to be built record by record: with
 * fields elsewhere than in a text that the model reads, with an image, with dotted paths.
 */
export function compileSplice(definition: RequestTemplate): RequestSplice | null {
  if (definition.kind === 'batch') return batchSplice(definition);
  if (imageFieldsOf(definition).length > 0) return null;
  const endpoint = requireEndpoint(definition.endpoint);
  const template = compileBody(definition, endpoint);
  const fields = [...template.fields];
  const idField = definition.idField ?? null;
  if (idField !== null && !fields.includes(idField)) fields.push(idField);
  if (fields.some((field) => field.includes('.'))) return null;
  const marks = new Map(fields.map((field, index) => [field, mark(index)]));
  const body = template.render(Object.fromEntries(marks)) as RequestBody;
  if (validateRequestBody(endpoint, body) !== null) return null;
  const written = cutBody(body);
  if (written === null) return null;
  const texts = textPlaces(endpoint, body).map((place) => valueAt(body, place) as string);
  const sampleTexts = texts.filter((text) => cut(text).fields.length > 0);
  // Every field that is written has to be seen in one of the texts, and nowhere else.
  const seen = sampleTexts.flatMap((text) => cut(text).fields);
  const same = [...seen].sort().join() === [...written.fields].sort().join();
  if (!same || seen.length === 0) return null;
  const compiled: SpliceTemplate = {
    endpoint,
    model: body.model,
    fields: fields.length,
    id: idField === null ? -1 : fields.indexOf(idField),
    scalars: definition.kind === 'prompt',
    numbers: new Set(),
    urls: [],
    body: written,
    texts: sampleTexts.map(cut),
    wantsText: wantsText(endpoint),
    wantsWord: false,
    inputs: embeddingInputs(endpoint, body.input),
    sample: body,
    sampleTexts,
  };
  return { raw: { fields }, model: compiled.model, templateFor: () => compiled };
}
