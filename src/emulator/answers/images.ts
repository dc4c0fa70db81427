/** Pixels of an image. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Taken for an image that only a URL names: it cannot be looked at from here. */
const UNSEEN: Size = { width: 1024, height: 1024 };

/** Base and tile of the models that count tiles of 512 pixels; the longest name first. */
const TILES: readonly (readonly [string, number, number])[] = [
  ['gpt-4o-mini', 2833, 5667],
  ['gpt-4o', 85, 170],
  ['gpt-4.1', 85, 170],
  ['gpt-4.5', 85, 170],
  ['gpt-5', 70, 140],
  ['o1', 75, 150],
  ['o3', 75, 150],
];

/** Factor and most patches of the models that count patches of 32 pixels. */
const PATCHES: readonly (readonly [string, number, number])[] = [
  ['gpt-4.1-mini', 1.62, 1536],
  ['gpt-4.1-nano', 2.46, 1536],
  ['o4-mini', 1.72, 1536],
  ['gpt-5-mini', 1.2, 1536],
  ['gpt-5-nano', 1.5, 1536],
  ['gpt-5.2', 1.2, 6144],
  ['gpt-5.4', 1.2, 2500],
  ['gpt-5.5', 1.2, 2500],
  ['gpt-5.6', 1.2, 2500],
];

const LONGEST_SIDE = 2048; // pixels
const SHORT_SIDE = 768; // pixels
const TILE = 512; // pixels
const PATCH = 32; // pixels
// Scale factors that ought to be exact come out a hair below.
const EPSILON = 1e-9;

/** Input tokens of one image, by a URL or a data URL. */
export function imageTokens(model: string, url: string, detail: string): number {
  const size = sizeOf(url) ?? UNSEEN;
  const patches = PATCHES.find(([prefix]) => model.startsWith(prefix));
  if (patches !== undefined) return patchTokens(size, patches[1], patches[2]);
  const [, base, tile] = TILES.find(([prefix]) => model.startsWith(prefix)) ?? ['', 85, 170];
  return detail === 'low' ? base : base + tile * tilesOf(size);
}

function tilesOf({ width, height }: Size): number {
  const fit = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  const short = Math.min(width, height) * fit;
  const scale = fit * Math.min(1, SHORT_SIDE / short);
  return Math.ceil((width * scale) / TILE - EPSILON) * Math.ceil((height * scale) / TILE - EPSILON);
}

function patchTokens({ width, height }: Size, factor: number, most: number): number {
  const fit = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  let across = Math.ceil((width * fit) / PATCH - EPSILON);
  let down = Math.ceil((height * fit) / PATCH - EPSILON);
  if (across * down > most) {
    const w = width * fit;
    const h = height * fit;
    const scale = Math.sqrt((PATCH * PATCH * most) / (w * h));
    const wide = (w * scale) / PATCH;
    const high = (h * scale) / PATCH;
    const shrink =
      scale * Math.min(Math.floor(wide + EPSILON) / wide, Math.floor(high + EPSILON) / high);
    across = Math.floor((w * shrink) / PATCH + EPSILON);
    down = Math.floor((h * shrink) / PATCH + EPSILON);
  }
  return Math.ceil(across * down * factor - EPSILON);
}

/** Reads the size from the first bytes of a base64 data URL: PNG, GIF, WebP, JPEG. */
function sizeOf(url: string): Size | undefined {
  const comma = url.indexOf(';base64,');
  if (!url.startsWith('data:') || comma < 0) return undefined;
  const start = comma + ';base64,'.length;
  const head = Buffer.from(url.slice(start, start + 256 * 1024), 'base64');
  if (head.length >= 24 && head.readUInt32BE(0) === 0x89504e47) {
    return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
  }
  if (head.length >= 10 && head.toString('latin1', 0, 3) === 'GIF') {
    return { width: head.readUInt16LE(6), height: head.readUInt16LE(8) };
  }
  if (head.length >= 30 && head.toString('latin1', 8, 12) === 'WEBP') return webpSize(head);
  return head.length >= 4 && head.readUInt16BE(0) === 0xffd8 ? jpegSize(head) : undefined;
}

/** Lossy, lossless and extended files say it in three ways. */
function webpSize(bytes: Buffer): Size | undefined {
  const kind = bytes.toString('latin1', 12, 16);
  if (kind === 'VP8X') {
    return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
  }
  if (kind === 'VP8L') {
    const bits = bytes.readUInt32LE(21);
    return { width: (bits % 2 ** 14) + 1, height: (Math.floor(bits / 2 ** 14) % 2 ** 14) + 1 };
  }
  if (kind !== 'VP8 ') return undefined;
  return { width: bytes.readUInt16LE(26) % 2 ** 14, height: bytes.readUInt16LE(28) % 2 ** 14 };
}

/** Walks the segments to the frame header. */
function jpegSize(bytes: Buffer): Size | undefined {
  let at = 2;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      return { width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) };
    }
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}
