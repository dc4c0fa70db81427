import { BORDERS, BORDERS_LOG, HALVES, LOWEST, NONE, TRIE } from '../layout.ts';
import { merged, pairKey, spread } from './pairs.ts';

// Every token is a path of bytes through cells, for the longest token at a place. A node's child by a
// byte is at where its children begin plus the byte; a step is one look at one cell, its cache miss
// is all it costs. No two nodes' children begin at one place, so that a cell which holds the byte is
// the child. Two numbers a cell. First: the byte, plus `USED`, in the low 9 bits, 0 where no cell is;
// above them where the children begin. Second: the token that ends here, or -1. The single bytes are
// at 0 to 255.
const CELL_BITS = 9;
const CELL_MASK = (1 << CELL_BITS) - 1;
const USED = 0x100;

/** Bits of a token's length, which is at most 128. */
const LENGTH_BITS = 8;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;

/**
 * Byte pair encoding of one long piece of text, counting only: the tokens of the `size` bytes at
 * `start`. `stack` is room for 32 bits for each of them, `dead` for a bit for each and 8 more bytes.
 *
 * Merging lowest rank first ends in the one sequence of tokens in which every two neighbours could
 * have stood beside each other all along: undo their merges, last one first, and at no moment was
 * there a merge across the border between them that came before the next one on either side. So
 * tokens are laid from left to right, the longest first, a shorter one where the neighbours do not
 * agree, and one step back where none agrees. A place that was given up is never tried again, which
 * keeps the time linear in the piece's length whatever is in it.
 */
export function countLong(region: usize, start: usize, size: u32, stack: usize, dead: usize): u32 {
  const end = start + size;
  let token = longest(start, end);
  if ((token & LENGTH_MASK) === size) return 1;
  memory.fill(dead, 0, (size >> 3) + 1);
  let depth: u32 = 0;
  let at = start;
  while (at < end) {
    const next = at + (token & LENGTH_MASK);
    const place = (next - start) as u32;
    if (
      (((load<u8>(dead + (place >> 3)) as u32) >> (place & 7)) & 1) === 0 &&
      (depth === 0 ||
        agree(
          region,
          load<u32>(stack + ((depth - 1) << 2)) >> LENGTH_BITS,
          token >> LENGTH_BITS,
          load<u16>(at - 1),
        ))
    ) {
      store<u32>(stack + (depth << 2), token);
      depth += 1;
      at = next;
      if (at < end) token = longest(at, end);
    } else if ((token & LENGTH_MASK) > 1) {
      token = longest(at, next - 1);
    } else {
      const here = (at - start) as u32;
      const given = dead + (here >> 3);
      store<u8>(given, ((load<u8>(given) as u32) | (1 << (here & 7))) as u8);
      depth -= 1;
      token = load<u32>(stack + (depth << 2));
      at -= token & LENGTH_MASK;
    }
  }
  return depth;
}

/** The longest token that begins at `start`, a single byte if no other, and its length in the low bits. */
function longest(start: usize, end: usize): u32 {
  let cell: usize = (load<u8>(start) as usize) << 3;
  let token = (load<u32>(cell, TRIE + 4) << LENGTH_BITS) | 1;
  for (let at = start + 1; at < end; at++) {
    const byte: u32 = load<u8>(at);
    cell = ((load<u32>(cell, TRIE) >> CELL_BITS) + byte) << 3;
    if ((load<u32>(cell, TRIE) & CELL_MASK) !== (byte | USED)) break;
    const here = load<i32>(cell, TRIE + 4);
    if (here !== -1) token = (here << LENGTH_BITS) | ((at + 1 - start) as u32);
  }
  return token;
}

/** As `neighbours`, remembering what was found last for many pairs. */
function agree(region: usize, left: u32, right: u32, border: u32): bool {
  const key = pairKey(left, right);
  const last = region + (((spread(key) >> (64 - BORDERS_LOG)) as usize) << 3);
  const known = load<u64>(last, BORDERS);
  if (known >> 1 === key) return (known & 1) !== 0;
  const yes = neighbours(left, right, load<u32>(border << 2, LOWEST));
  store<u64>(last, (key << 1) | (yes ? 1 : 0), BORDERS);
  return yes;
}

/** Whether merging would have left this border alone until both tokens were whole. */
function neighbours(left: u32, right: u32, lowest: u32): bool {
  let x = left;
  let y = right;
  // The rank at which x or y ceased to be a token of its own; across the border only a lower one
  // comes before it.
  let bound: u32 = NONE;
  while (bound > lowest) {
    if (merged(x, y) < bound) return false;
    if (x > y) {
      if (x < 256) return true;
      bound = x;
      x = load<u32>(x << 3, HALVES + 4);
    } else {
      if (y < 256) return true;
      // Of two equal merges the left one comes first, and that would be the one across.
      bound = y + 1;
      y = load<u32>(y << 3, HALVES);
    }
  }
  return true;
}
