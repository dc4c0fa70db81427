/** The head of a PNG of this size, which is all that anybody here looks at, and padding. */
export function png(width: number, height: number, bytes = 64): Buffer {
  const image = Buffer.alloc(bytes, 'x');
  Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex').copy(image);
  image.writeUInt32BE(width, 16);
  image.writeUInt32BE(height, 20);
  return image;
}

export function gif(width: number, height: number): Buffer {
  const image = Buffer.from('GIF89a\0\0\0\0\0\0\0', 'latin1');
  image.writeUInt16LE(width, 6);
  image.writeUInt16LE(height, 8);
  return image;
}

export const JPEG = Buffer.from('ffd8ffe000104a464946000101', 'hex');
export const WEBP = Buffer.from('RIFF\0\0\0\0WEBPVP8 ', 'latin1');

export function dataUrl(image: Buffer, type = 'png'): string {
  return `data:image/${type};base64,${image.toString('base64')}`;
}
