import fc from 'fast-check';
import { expect, test } from 'vitest';
import { imageTokens } from '../../src/emulator/answers/images.ts';
import { imageTokens as counted } from '../../src/tokens/images.ts';
import { imageRule, loadModelTable } from '../../src/tokens/models.ts';
import { dataUrl, gif, png } from '../requests/images.ts';

test.each([
  ['gpt-5.4', 'high', 1024, 1024, 1229],
  ['gpt-5.4', 'high', 2048, 2048, 3000],
  ['gpt-4o', 'high', 1024, 1024, 765],
  ['gpt-4o', 'high', 2048, 4096, 1105],
  ['gpt-4o', 'low', 4096, 8192, 85],
])('%s %s %ix%i', (model, detail, width, height, tokens) => {
  expect(imageTokens(model, dataUrl(png(width, height)), detail)).toBe(tokens);
});

// Two readings of the same published rules, written apart.
test('the client estimates what is billed here, for every model, detail and size', () => {
  const table = loadModelTable();
  const models = Object.keys(table.images).filter((model) => model !== 'default');
  const side = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 9000 }));
  const detail = fc.constantFrom('low', 'high', 'auto', 'original');
  fc.assert(
    fc.property(fc.constantFrom(...models), detail, side, side, (model, how, width, height) => {
      const estimate = counted(imageRule(model, table), table, how, { width, height });
      expect(imageTokens(model, dataUrl(png(width, height)), how)).toBe(estimate);
    }),
    { numRuns: 2000 },
  );
  expect(imageTokens('gpt-4o', dataUrl(gif(600, 10), 'gif'), 'auto')).toBe(85 + 2 * 170);
});
