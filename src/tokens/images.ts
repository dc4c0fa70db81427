import type { ImageSize } from './image-size.ts';
import type { ImageRule, ModelTable, PatchLimit } from './models.ts';

const PATCH_PX = 32;
const TILE_PX = 512;
const TILE_FIT_PX = 2048;
const TILE_SHORT_PX = 768;
/** The most tiles that a scaled image has: 2048 by 768 pixels. */
const MAX_TILES = 8;
/** Scale factors often hit exact multiples of 32; a floor must not fall below them. */
const EPSILON = 1e-9;

/**
 * Tokens of one image. `detail` is the request's (`auto` when absent); `size` is null for an image
 * that cannot be seen from here, which counts as the largest that the rule allows.
 */
export function imageTokens(
  rule: ImageRule,
  table: ModelTable,
  detail: string,
  size: ImageSize | null,
): number {
  if ('tile' in rule) {
    if (detail === 'low') return rule.base;
    return rule.base + rule.tile * (size === null ? MAX_TILES : tiles(size));
  }
  const limits = table.imageLimits[rule.limits] ?? {};
  const limit = limits[detail] ?? limits['*'] ?? limits.auto ?? {};
  const counted = size === null ? mostPatches(limit) : patches(size, limit);
  return Math.ceil(Math.min(counted, table.maxPatchesPerImage) * rule.multiplier - EPSILON);
}

function tiles({ width, height }: ImageSize): number {
  const fit = Math.min(1, TILE_FIT_PX / Math.max(width, height));
  const short = Math.min(1, TILE_SHORT_PX / (Math.min(width, height) * fit));
  const across = Math.ceil((width * fit * short) / TILE_PX - EPSILON);
  const down = Math.ceil((height * fit * short) / TILE_PX - EPSILON);
  return Math.max(across, 1) * Math.max(down, 1);
}

function patches(size: ImageSize, limit: PatchLimit): number {
  const fit = Math.min(1, (limit.maxDim ?? Infinity) / Math.max(size.width, size.height));
  const width = floorSide(size.width * fit);
  const height = floorSide(size.height * fit);
  const count = grid(width, height);
  if (limit.patches === undefined || count <= limit.patches) return count;
  let scale = Math.sqrt((PATCH_PX * PATCH_PX * limit.patches) / (width * height));
  const across = (width * scale) / PATCH_PX;
  const down = (height * scale) / PATCH_PX;
  scale *= Math.min(wholePart(across) / across, wholePart(down) / down);
  return grid(floorSide(width * scale), floorSide(height * scale));
}

function mostPatches(limit: PatchLimit): number {
  const side = Math.ceil((limit.maxDim ?? Infinity) / PATCH_PX);
  return Math.min(side * side, limit.patches ?? Infinity);
}

function grid(width: number, height: number): number {
  return Math.ceil(width / PATCH_PX) * Math.ceil(height / PATCH_PX);
}

function floorSide(side: number): number {
  return Math.max(1, Math.floor(side + EPSILON));
}

/** A very narrow image keeps one patch on its short side. */
function wholePart(patchesAcross: number): number {
  return Math.max(1, Math.floor(patchesAcross + EPSILON));
}
