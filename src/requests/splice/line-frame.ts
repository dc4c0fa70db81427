import { type Position, SourceRecord } from '../../core/record.ts';
import { PreparedRequest, type RequestBody } from '../../core/request.ts';
import { MOST_PLACES, type Place, type RawFrame } from '../../sources/raw/raw-wish.ts';
import { createRequestBuilder, type RequestBuilder } from '../builder.ts';
import type { BatchDefinition } from '../definition.ts';
import { embeddingInputs } from '../inputs.ts';
import { isObject } from '../json.ts';
import { validateRequestBody } from '../validate-body.ts';
import { cut, cutBody, mark } from './pieces.ts';
import type { RequestSplice, SpliceTemplate } from './template.ts';
import { textPlaces, urlPlaces, wantsText, withValueAt } from './text-places.ts';

/** Request lines that are alike but for their ids, texts, labels and numbers. */
export class LineFrame implements RawFrame {
  /** In a line; the first one is the id's. */
  readonly places: readonly Place[];
  readonly template: SpliceTemplate;

  constructor(places: readonly Place[], template: SpliceTemplate) {
    this.places = places;
    this.template = template;
  }
}

/** Request lines as bytes: of a line that was built into a request, others like it need not be. */
export function batchSplice(definition: BatchDefinition): RequestSplice {
  const builder = createRequestBuilder(definition);
  return {
    raw: { frameOf: (line) => frameOf(line, builder) },
    model: builder.model,
    templateFor: ({ frame }) => (frame instanceof LineFrame ? frame.template : null),
  };
}

/** Of what is learned no position is told. */
const NOWHERE: Position = { source: '', row: 0, byte: -1 };

function frameOf(line: object, builder: RequestBuilder): LineFrame | null {
  const built = builder.build(new SourceRecord(line, NOWHERE));
  if (!(built instanceof PreparedRequest)) return null;
  const { endpoint, body } = built;
  const texts = textPlaces(endpoint, body);
  const urls = urlPlaces(endpoint, body);
  const labels = labelPlaces(body);
  const places = [...texts, ...urls, ...labels, ...numberPlaces(body)];
  if (texts.length === 0 || places.length >= MOST_PLACES) return null;
  // The id is field 0.
  const marked = (some: readonly Place[]) =>
    some.reduce((made, place, i) => withValueAt(made, place, mark(i + 1)), body);
  const sample = marked(texts);
  const all = places.map((_, i) => i + 1);
  const numbers = new Set(all.slice(texts.length + urls.length + labels.length));
  const written = cutBody(marked(places), numbers);
  // Each is written once: nothing in the line was taken for a mark.
  const fields = [...(written?.fields ?? [])].sort((a, b) => a - b);
  if (written === null || fields.join() !== all.join()) return null;
  const sampleTexts = texts.map((_, i) => mark(i + 1));
  const wantsWord = validateRequestBody(endpoint, sample) !== null;
  // Of a sound body there is nothing else that another text could make unsound.
  if (wantsWord && !isJsonObject(body)) return null;
  return new LineFrame([['custom_id'], ...places.map((place) => ['body', ...place])], {
    endpoint,
    model: body.model,
    fields: places.length + 1,
    id: 0,
    scalars: false,
    numbers,
    urls: all.slice(texts.length, texts.length + urls.length),
    body: written,
    texts: sampleTexts.map(cut),
    wantsText: wantsText(endpoint),
    wantsWord,
    inputs: embeddingInputs(endpoint, body.input),
    sample,
    sampleTexts,
  });
}

/** Strings of a body that are neither read by the model nor looked at by any check. */
function labelPlaces({ metadata, user }: RequestBody): Place[] {
  const labels: Place[] = typeof user === 'string' ? [['user']] : [];
  if (!isObject(metadata)) return labels;
  return [...labels, ...Object.keys(metadata).map((key) => ['metadata', key])];
}

/** Numbers at the top of a body: all of them are parameters, which no check looks at. */
function numberPlaces(body: RequestBody): Place[] {
  const keys = Object.keys(body).filter((key) => typeof body[key] === 'number');
  return keys.map((key) => [key]);
}

function isJsonObject({ response_format: format }: RequestBody): boolean {
  return isObject(format) && format.type === 'json_object';
}
