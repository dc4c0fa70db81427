import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readMerges } from '../../src/tokens/merges.ts';

// The hashes that OpenAI publishes for its rank files.
const SHA256 = {
  o200k_base: '446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d',
  cl100k_base: '223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7',
};

describe.each(['o200k_base', 'cl100k_base'] as const)('%s', (name) => {
  const merges = readMerges(name);
  const tokens: Buffer[] = [];
  merges.ofByte.forEach((rank, byte) => {
    tokens[rank] = Buffer.from([byte]);
  });
  for (let rank = 256; rank < merges.count; rank++) {
    tokens[rank] = Buffer.concat([
      tokens[merges.halves[2 * rank]!]!,
      tokens[merges.halves[2 * rank + 1]!]!,
    ]);
  }

  it('spells the rank file that its maker published', () => {
    const lines = tokens.map((bytes, rank) => `${bytes.toString('base64')} ${rank}\n`);
    expect(createHash('sha256').update(lines.join('')).digest('hex')).toBe(SHA256[name]);
  });

  it('has merges of lower ranks only, lengths, and the order of the bytes', () => {
    let wrong = 0;
    for (let rank = 256; rank < merges.count; rank++) {
      if (merges.halves[2 * rank]! >= rank || merges.halves[2 * rank + 1]! >= rank) wrong += 1;
      if (merges.length[rank] !== tokens[rank]!.length) wrong += 1;
    }
    for (let i = 1; i < merges.count; i++) {
      if (Buffer.compare(tokens[merges.order[i - 1]!]!, tokens[merges.order[i]!]!) >= 0) wrong += 1;
    }
    expect(wrong).toBe(0);
  });
});
