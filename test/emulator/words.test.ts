import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/core/clock.ts';
import { loadEncoding } from '../../src/emulator/answers/encodings.ts';
import { writeText } from '../../src/emulator/answers/words.ts';

describe('texts of the model', () => {
  test.each(['gpt-4o', 'gpt-4'])(
    'the tokens that it says it wrote are those of %s',
    async (model) => {
      const count = await loadEncoding(model);
      const random = seededRandom(7);
      for (let round = 0; round < 300; round += 1) {
        const { text, tokens } = writeText(random, Number.POSITIVE_INFINITY);
        expect(count(text), text).toBe(tokens);
      }
    },
  );

  test('a limit is kept and told', async () => {
    const count = await loadEncoding('gpt-4o');
    for (let limit = 0; limit < 20; limit += 1) {
      const { text, tokens, cut } = writeText(seededRandom(limit), limit);
      expect(count(text)).toBe(tokens);
      expect(tokens).toBeLessThanOrEqual(limit);
      expect(cut || text.endsWith('.')).toBe(true);
    }
  });
});
