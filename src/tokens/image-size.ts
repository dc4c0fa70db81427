/** Pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** Characters of base64 decoded at first: every header but JPEG's lies within them. */
const FIRST_CHARS = 1024;
/** Characters of base64 searched for JPEG's frame header, which follows colour profiles and thumbnails. */
const MAX_CHARS = 4 * 1024 * 1024; // 4 Mi

/** The size of the image in a `data:` URL, read from its header, or null when it cannot be told. */
export function dataUrlSize(url: string): ImageSize | null {
  if (url.slice(0, 5).toLowerCase() !== 'data:') return null;
  const comma = url.indexOf(',');
  if (comma < 0 || !/;base64\s*$/i.test(url.slice(0, comma))) return null;
  const start = comma + 1;
  for (let chars = FIRST_CHARS; ; chars *= 16) {
    const bytes = Buffer.from(url.slice(start, start + Math.min(chars, MAX_CHARS)), 'base64');
    const size = imageSize(bytes);
    if (size !== null || chars >= MAX_CHARS || start + chars >= url.length) return size;
  }
}

/** The size of a PNG, JPEG, GIF or WebP image by its header, or null. */
export function imageSize(bytes: Buffer): ImageSize | null {
  const size = pngSize(bytes) ?? gifSize(bytes) ?? webpSize(bytes) ?? jpegSize(bytes);
  return size !== null && size.width > 0 && size.height > 0 ? size : null;
}

function pngSize(bytes: Buffer): ImageSize | null {
  if (bytes.length < 24 || bytes.readUInt32BE(0) !== 0x89504e47) return null;
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

function gifSize(bytes: Buffer): ImageSize | null {
  if (bytes.length < 10 || bytes.toString('latin1', 0, 4) !== 'GIF8') return null;
  return { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
}

function webpSize(bytes: Buffer): ImageSize | null {
  if (bytes.length < 30) return null;
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WEBP')
    return null;
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return null;
  }
}

function jpegSize(bytes: Buffer): ImageSize | null {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return null;
  let at = 2;
  while (at + 9 <= bytes.length) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at += 1; // Markers may be padded with further 0xff bytes.
    } else if (isFrameHeader(marker)) {
      return { width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) };
    } else {
      at += 2 + bytes.readUInt16BE(at + 2);
    }
  }
  return null;
}

/** SOF0 to SOF15 without the Huffman table, JPG and arithmetic conditioning markers between them. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}
