import { describe, expect, it } from 'vitest';
import { createTokenCounter } from '../../src/tokens/counter.ts';
import { dataUrlSize, imageSize } from '../../src/tokens/image-size.ts';
import { imageTokens } from '../../src/tokens/images.ts';
import { imageRule, loadModelTable } from '../../src/tokens/models.ts';

const table = loadModelTable();
const tokens = (model: string, detail: string, width: number, height: number) =>
  imageTokens(imageRule(model, table), table, detail, { width, height });

describe('image rules', () => {
  it.each([
    ['gpt-5.4', 'high', 1024, 1024, 1229],
    ['gpt-5.4', 'high', 2048, 2048, 3000],
    ['gpt-4o', 'high', 1024, 1024, 765],
    ['gpt-4o', 'high', 2048, 4096, 1105],
    ['gpt-4o', 'low', 4096, 8192, 85],
    ['gpt-4o-2024-08-06', 'high', 1024, 1024, 765],
    ['gpt-4o', 'auto', 1, 1, 255],
  ])('%s %s %ix%i', (model, detail, width, height, expected) => {
    expect(tokens(model, detail, width, height)).toBe(expected);
  });

  it('takes the longest name: mini is not its bigger sister', () => {
    expect(tokens('gpt-4o-mini', 'low', 10, 10)).toBe(2833);
    expect(imageRule('gpt-5-mini-2025-08-07', table)).toEqual(table.images['gpt-5-mini']);
    expect(imageRule('ft:gpt-4.1-mini:org::id', table)).toEqual(table.images['gpt-4.1-mini']);
    expect(imageRule('gpt-5.3', table)).toEqual(table.images.default);
  });

  it('counts an image that cannot be seen as at least every image that can', () => {
    for (const model of Object.keys(table.images)) {
      for (const detail of ['low', 'auto', 'high', 'original']) {
        const rule = imageRule(model, table);
        const worst = imageTokens(rule, table, detail, null);
        for (const [w, h] of [
          [1, 1],
          [1, 9000],
          [640, 480],
          [1999, 2001],
          [5000, 4000],
        ] as const) {
          const seen = tokens(model, detail, w, h);
          expect(seen).toBeGreaterThan(0);
          expect(seen, `${model} ${detail} ${w}x${h}`).toBeLessThanOrEqual(worst);
        }
      }
    }
  });
});

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAABAAAAAMACAYAAAC6uhUNAAAAAElFTkSuQmCC', 'base64');

function jpeg(width: number, height: number, padding: number): Buffer {
  const app = Buffer.alloc(padding + 4);
  app.writeUInt16BE(0xffe1, 0);
  app.writeUInt16BE(padding + 2, 2);
  const frame = Buffer.from([0xff, 0xc2, 0, 17, 8, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  frame.writeUInt16BE(height, 5);
  frame.writeUInt16BE(width, 7);
  return Buffer.concat([Buffer.from([0xff, 0xd8]), app, Buffer.from([0xff]), frame]);
}

function webp(kind: string, payload: number[]): Buffer {
  return Buffer.concat([Buffer.from(`RIFF....WEBP${kind}....`), Buffer.from(payload)]);
}

describe('image headers', () => {
  it.each([
    ['png', png, 1024, 768],
    ['gif', Buffer.from('GIF89a\x40\x01\xf0\x00', 'latin1'), 320, 240],
    ['jpeg', jpeg(4000, 3000, 10), 4000, 3000],
    ['jpeg behind a large profile', jpeg(4000, 3000, 60000), 4000, 3000],
    ['webp lossy', webp('VP8 ', [0, 0, 0, 0x9d, 1, 0x2a, 0x26, 2, 0x70, 1]), 550, 368],
    ['webp lossless', webp('VP8L', [0x2f, 0x8f, 0xc1, 0x31, 0, 0, 0, 0, 0, 0]), 400, 200],
    ['webp extended', webp('VP8X', [0, 0, 0, 0, 0x8f, 1, 0, 0xf0, 0, 0]), 400, 241],
  ])('%s', (_, bytes, width, height) => {
    expect(imageSize(bytes)).toEqual({ width, height });
    expect(dataUrlSize(`data:image/x;base64,${bytes.toString('base64')}`)).toEqual({
      width,
      height,
    });
  });

  it('gives null for what it cannot read, whole or cut anywhere', () => {
    expect(dataUrlSize('https://example.com/a.png')).toBeNull();
    expect(dataUrlSize('data:image/png,raw')).toBeNull();
    expect(dataUrlSize('data:')).toBeNull();
    const all = [png, jpeg(4, 3, 10), webp('VP8X', [0, 0, 0, 0, 1, 0, 0, 1, 0, 0])];
    for (const bytes of all) {
      for (let n = 0; n < bytes.length; n++) imageSize(bytes.subarray(0, n));
    }
    expect(imageSize(jpeg(4, 3, 10).subarray(0, 12))).toBeNull();
  });
});

describe('images in requests', () => {
  const url = `data:image/png;base64,${png.toString('base64')}`;
  const request = (image: Record<string, unknown>) => ({
    model: 'd',
    messages: [{ role: 'user', content: [image] }],
  });

  it('counts by the data where it is there, else the worst case or the size that is given', async () => {
    const counter = await createTokenCounter('gpt-4o');
    const chat = (u: string, detail?: string) =>
      counter.countRequest(
        '/chat/completions',
        request({ type: 'image_url', image_url: { url: u, detail } }),
      ) - 7;
    expect(chat(url)).toBe(765);
    expect(chat(url, 'low')).toBe(85);
    expect(chat('https://example.com/a.png')).toBe(85 + 8 * 170);
    const sized = await createTokenCounter('gpt-4o', { imageSize: { width: 1024, height: 1024 } });
    const image_url = { url: 'https://example.com/a.png' };
    expect(
      sized.countRequest('/chat/completions', request({ type: 'image_url', image_url })) - 7,
    ).toBe(765);
    const input = [{ role: 'user', content: [{ type: 'input_image', image_url: url }] }];
    expect(counter.countRequest('/responses', { model: 'd', input }) - 7).toBe(765);
  });
});
