import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errorCode } from '../../core/errors.ts';
import { UnusableField } from '../field-path.ts';
import { imageType } from './image-data.ts';

/** What a service takes of one image. */
export const MAX_IMAGE_BYTES = 20 * 1000 * 1000; // 20 MB

/** Used again for each image, and as large as the largest so far. */
let scratch = Buffer.alloc(0);

/** A local image as a data URL, typed by its bytes; `field` names the field that says its path. */
export function imageFileUrl(path: string, field: string): string | UnusableField {
  let fd: number;
  try {
    // Opening a pipe that nobody writes to would wait for ever.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return unreadable(field, errorCode(error) ?? 'unknown error');
  }
  try {
    return readImage(fd, field);
  } catch (error) {
    return unreadable(field, errorCode(error) ?? 'unknown error');
  } finally {
    closeSync(fd);
  }
}

function readImage(fd: number, field: string): string | UnusableField {
  const stats = fstatSync(fd);
  if (!stats.isFile()) {
    return unusableImage(field, 'invalid_image', 'names something that is no regular file');
  }
  if (stats.size > MAX_IMAGE_BYTES) return tooLarge(field, stats.size);
  if (scratch.length < stats.size) scratch = Buffer.allocUnsafeSlow(stats.size);
  let length = 0;
  while (length < stats.size) {
    const count = readSync(fd, scratch, length, stats.size - length, length);
    if (count === 0) break;
    length += count;
  }
  const type = imageType(scratch.subarray(0, length));
  if (type === null) return noImage(field);
  return `data:${type};base64,${scratch.toString('base64', 0, length)}`;
}

/** `what` goes on behind `the field NAME`. */
export function unusableImage(field: string, code: string, what: string): UnusableField {
  return new UnusableField(code, `the field ${field} ${what}`);
}

export function noImage(field: string): UnusableField {
  return unusableImage(field, 'invalid_image', 'names no PNG, JPEG, GIF or WebP image');
}

export function tooLarge(field: string, bytes: number): UnusableField {
  const what = `names an image of ${bytes} bytes; a model takes ${MAX_IMAGE_BYTES}`;
  return unusableImage(field, 'image_too_large', what);
}

function unreadable(field: string, code: string): UnusableField {
  return code === 'ENOENT' || code === 'ENOTDIR'
    ? unusableImage(field, 'image_not_found', 'names a file that does not exist')
    : unusableImage(field, 'image_unreadable', `names a file that cannot be read (${code})`);
}
