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
  ['computer-use-preview', 65, 129],
];

/** What an image is scaled down to: its longest side in pixels, and its patches. */
type Limit = readonly [side: number, patches: number];

const FREE = Infinity;
const LOW: Limit = [512, FREE];
const HIGH: Limit = [2048, 2500];
const WIDE: Limit = [2048, 6144];
const FULL: Limit = [6000, 10_000];
const WHOLE: Limit = [65_535, FREE];
const OLDER: Limit = [FREE, 1536];

/** Factor and limits (of detail low, high, auto, original) of the models that count patches of 32 pixels. */
const PATCHES: readonly (readonly [string, number, readonly [Limit, Limit, Limit, Limit]])[] = [
  ['gpt-4.1-mini', 1.62, [WIDE, WIDE, WIDE, WIDE]],
  ['gpt-4.1-nano', 2.46, [OLDER, OLDER, OLDER, OLDER]],
  ['o4-mini', 1.72, [OLDER, OLDER, OLDER, OLDER]],
  ['gpt-5-mini', 1.2, [OLDER, OLDER, OLDER, OLDER]],
  ['gpt-5-nano', 1.5, [OLDER, OLDER, OLDER, OLDER]],
  ['gpt-5.2', 1.2, [WIDE, WIDE, WIDE, WIDE]],
  ['gpt-5.4', 1.2, [WIDE, HIGH, HIGH, FULL]],
  ['gpt-5.5', 1.2, [LOW, HIGH, FULL, FULL]],
  ['gpt-5.6', 1.2, [LOW, HIGH, WHOLE, WHOLE]],
  ['gpt-6', 1.2, [LOW, HIGH, WHOLE, WHOLE]],
];

const DETAILS = ['low', 'high', 'auto', 'original'];
const AUTO = 2;
/** An image above it is refused. */
const MOST_PATCHES = 30_000;

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
  if (patches !== undefined) {
    const [, factor, limits] = patches;
    const asked = DETAILS.indexOf(detail);
    const [side, most] = limits[asked === -1 ? AUTO : asked] ?? WHOLE;
    const count = Math.min(MOST_PATCHES, patchesOf(size, side, most));
    return Math.ceil(count * factor - EPSILON);
  }
  const [, base, tile] = TILES.find(([prefix]) => model.startsWith(prefix)) ?? ['', 85, 170];
  return detail === 'low' ? base : base + tile * tilesOf(size);
}

function tilesOf({ width, height }: Size): number {
  const fit = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  const short = Math.min(width, height) * fit;
  const scale = fit * Math.min(1, SHORT_SIDE / short);
  return Math.ceil((width * scale) / TILE - EPSILON) * Math.ceil((height * scale) / TILE - EPSILON);
}

/** The published steps: fit the side, then shrink to whole patches within their number. */
function patchesOf(size: Size, side: number, most: number): number {
  const fit = Math.min(1, side / Math.max(size.width, size.height));
  const width = pixels(size.width * fit);
  const height = pixels(size.height * fit);
  const count = cover(width) * cover(height);
  if (count <= most) return count;
  const scale = Math.sqrt((PATCH * PATCH * most) / (width * height));
  const wide = (width * scale) / PATCH;
  const high = (height * scale) / PATCH;
  const shrink = scale * Math.min(pixels(wide) / wide, pixels(high) / high);
  return cover(pixels(width * shrink)) * cover(pixels(height * shrink));
}

/** The whole part; at least one. */
function pixels(length: number): number {
  return Math.max(1, Math.floor(length + EPSILON));
}

function cover(length: number): number {
  return Math.ceil(length / PATCH);
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
