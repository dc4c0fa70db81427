import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UNKNOWN } from '../body-error.ts';
import { type FieldReader, MissingField, UnusableField } from '../field-path.ts';
import type { ReaderOf } from '../template.ts';
import { imageType, TYPE_BYTES } from './image-data.ts';
import { imageFileUrl, MAX_IMAGE_BYTES, noImage, tooLarge, unusableImage } from './image-file.ts';

/** Of one request: what the service with the highest limit takes. */
const MAX_IMAGES = 1500;
/** Characters of all image data in one request: no shard has room for more. */
const MAX_DATA_CHARACTERS = 200 * 1000 * 1000; // 200 MB

/** Reads the images that a record names; none for a field that is empty. */
export type ImageReader = (record: unknown, source: string) => unknown[] | UnusableField;

/**
 * A reader of images by their fields. A field holds the URL of an image, a data URL, the path of a
 * local file, or several of them as an array, which a CSV writes as JSON. A path counts from the
 * folder of the source's file, and from the working directory where the source has none. Local
 * files become data URLs now.
 */
export function imageReader(fields: readonly string[], readerOf: ReaderOf): ImageReader {
  const readers = fields.map((field) => ({ field, read: readerOf(field) }));
  return (record, source) => {
    const urls: unknown[] = [];
    let characters = 0;
    for (const { field, read } of readers) {
      for (const named of valuesOf(read(record, source), field)) {
        const url = named instanceof UnusableField ? named : urlOf(named, field, source);
        if (url instanceof UnusableField) return url;
        urls.push(url);
        if (typeof url === 'string') characters += url.length;
        if (urls.length > MAX_IMAGES) {
          const what = `and its like name more than ${MAX_IMAGES} images`;
          return unusableImage(field, 'too_many_images', what);
        }
        if (characters > MAX_DATA_CHARACTERS) {
          const what = 'and its like name more images than one request has room for';
          return unusableImage(field, 'image_too_large', what);
        }
      }
    }
    return urls;
  };
}

/** The reader of a field that must name exactly one image, as a body template has it. */
export function singleImageReader(field: string, readerOf: ReaderOf): FieldReader {
  const read = imageReader([field], readerOf);
  return (record, source = '') => {
    const urls = read(record, source);
    if (urls instanceof UnusableField || urls.length === 1) {
      return urls instanceof UnusableField ? urls : urls[0];
    }
    const what = `names ${urls.length} images, where the request has a place for one`;
    return unusableImage(field, 'invalid_image', what);
  };
}

function valuesOf(value: unknown, field: string): readonly unknown[] {
  if (value === undefined) return [new MissingField(field)];
  if (value === null || value === '') return [];
  if (Array.isArray(value)) return value;
  if (typeof value === 'string' && value.startsWith('[')) return listOf(value) ?? [value];
  return [value];
}

/** The values of a JSON array; undefined for a path that only begins like one. */
function listOf(text: string): unknown[] | undefined {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list : undefined;
  } catch {
    return undefined;
  }
}

const SCHEME = /^([a-z][a-z0-9+.-]+):/i;

function urlOf(named: unknown, field: string, source: string): unknown {
  if (named === UNKNOWN || named instanceof UnusableField) return named;
  if (typeof named !== 'string' || named === '') {
    const what = 'must hold a URL, a data URL or a path, or an array of such';
    return unusableImage(field, 'invalid_image', what);
  }
  const scheme = SCHEME.exec(named)?.[1]?.toLowerCase();
  if (scheme === 'data') return checkedData(named, field);
  if (scheme === 'http' || scheme === 'https') {
    return URL.canParse(named) ? named : unusableImage(field, 'invalid_image', 'is no URL');
  }
  if (scheme === 'file') return ofFileUrl(named, field);
  if (scheme !== undefined && named.startsWith('//', scheme.length + 1)) {
    const what = `has a URL with ${scheme}:, which a service cannot fetch; it takes https:`;
    return unusableImage(field, 'invalid_image', what);
  }
  return imageFileUrl(resolve(folderOf(source), named), field);
}

function ofFileUrl(url: string, field: string): string | UnusableField {
  let path: string;
  try {
    path = fileURLToPath(url);
  } catch {
    return unusableImage(field, 'invalid_image', 'has a file: URL that names no local file');
  }
  return imageFileUrl(path, field);
}

/** Sources that are no files are called <stdin>, <records> and the like. */
function folderOf(source: string): string {
  return source === '' || /^<.*>$/.test(source) ? '.' : dirname(source);
}

const DATA_HEAD = /^data:image\/(png|jpe?g|gif|webp);base64,/i;

function checkedData(url: string, field: string): string | UnusableField {
  const head = DATA_HEAD.exec(url.slice(0, 40))?.[0];
  if (head === undefined) return noImage(field);
  const bytes = Math.floor(((url.length - head.length) * 3) / 4);
  if (bytes > MAX_IMAGE_BYTES) return tooLarge(field, bytes);
  const first = url.slice(head.length, head.length + (TYPE_BYTES / 3) * 4);
  return imageType(Buffer.from(first, 'base64')) === null ? noImage(field) : url;
}
