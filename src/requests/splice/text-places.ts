import type { Endpoint, RequestBody } from '../../core/request.ts';
import type { Place } from '../../sources/raw/raw-wish.ts';
import { isObject } from '../json.ts';

/**
 * The places in a body of the texts that any text may stand in for: each is counted by itself, and no
 * check looks at it, but for those of embeddings and completions that must not be empty, and for the
 * word JSON that some messages must have.
 */
export function textPlaces(endpoint: Endpoint, body: RequestBody): Place[] {
  switch (endpoint) {
    case '/embeddings':
      return textsAt(['input'], body.input);
    case '/completions':
      return textsAt(['prompt'], body.prompt);
    case '/responses':
      return [
        ...textAt(['instructions'], body.instructions),
        ...textAt(['input'], body.input),
        ...contentsAt('input', body.input, textOfPart),
      ];
    case '/chat/completions':
      return contentsAt('messages', body.messages, textOfPart);
  }
}

/** The places of the images that are only named: any other such URL is checked and counted alike. */
export function urlPlaces(endpoint: Endpoint, body: RequestBody): Place[] {
  if (endpoint === '/responses') return contentsAt('input', body.input, urlOfPart);
  return endpoint === '/chat/completions' ? contentsAt('messages', body.messages, urlOfPart) : [];
}

/** How such a URL begins. */
export const NAMED_IMAGE = /^https?:\/\//;

/** Whether the endpoint refuses empty texts. */
export function wantsText(endpoint: Endpoint): boolean {
  return endpoint === '/embeddings' || endpoint === '/completions';
}

/** The value at a place. */
export function valueAt(value: unknown, place: Place): unknown {
  let at = value;
  for (const step of place) at = (at as Record<string | number, unknown>)[step];
  return at;
}

/** A copy of a value with another one at a place of it. */
export function withValueAt<T>(value: T, place: Place, other: unknown): T {
  const [step, ...rest] = place;
  if (step === undefined) return other as T;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<
    string | number,
    unknown
  >;
  copy[step] = withValueAt(copy[step], rest, other);
  return copy as T;
}

function textAt(place: Place, value: unknown): Place[] {
  return typeof value === 'string' ? [place] : [];
}

function textsAt(place: Place, value: unknown): Place[] {
  if (!Array.isArray(value)) return textAt(place, value);
  return value.flatMap((text, i) => textAt([...place, i], text));
}

/** A place in the parts of messages, or their content itself where that is a text. */
function contentsAt(key: string, messages: unknown, ofPart: OfPart): Place[] {
  if (!Array.isArray(messages)) return [];
  return messages.flatMap((message: unknown, i) => {
    if (!isObject(message)) return [];
    const { content, type } = message;
    if (type !== undefined && type !== 'message') return [];
    if (!Array.isArray(content))
      return ofPart === textOfPart ? textAt([key, i, 'content'], content) : [];
    return content.flatMap((part: unknown, n) => {
      return isObject(part) ? ofPart([key, i, 'content', n], part) : [];
    });
  });
}

type OfPart = (place: Place, part: Record<string, unknown>) => Place[];

const textOfPart: OfPart = (place, { type, text }) =>
  type === 'text' || type === 'input_text' ? textAt([...place, 'text'], text) : [];

const urlOfPart: OfPart = (place, { type, image_url: image }) => {
  const named = (url: unknown) => typeof url === 'string' && NAMED_IMAGE.test(url);
  if (type === 'input_image' && named(image)) return [[...place, 'image_url']];
  if (type !== 'image_url' || !isObject(image) || !named(image.url)) return [];
  return [[...place, 'image_url', 'url']];
};
