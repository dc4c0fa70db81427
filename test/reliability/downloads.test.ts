import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ServiceError } from '../../src/core/errors.ts';
import type { BatchService } from '../../src/core/service.ts';
import { fetchFile } from '../../src/jobs/download.ts';
import { temporaryDirectory } from '../jobs/helpers.ts';

const LINE = '{"custom_id":"a-1","text":"плохо — 很好"}\n';
const signal = new AbortController().signal;

interface Line {
  /** Bytes that each call gives before it is cut; the last one gives the rest. */
  cuts?: readonly number[];
  range?: boolean;
}

/** A service that has one file, at the end of a bad line. */
function serving(content: Buffer, { cuts = [], range = true }: Line = {}) {
  const calls: number[] = [];
  const service = {
    async downloadFile(_id: string, wanted: number) {
      const offset = range ? wanted : 0;
      const cut = cuts[calls.length];
      calls.push(wanted);
      const rest = content.subarray(offset);
      async function* body() {
        for (let at = 0; at < Math.min(rest.length, cut ?? rest.length); at += 7) {
          yield rest.subarray(at, Math.min(at + 7, cut ?? rest.length));
        }
        if (cut !== undefined) {
          const failure = { status: 200, outcome: 'unknown', retryable: true } as const;
          throw new ServiceError('download_cut', 'cut', failure);
        }
      }
      return { length: null, offset, body: body() };
    },
  } as unknown as BatchService;
  return { service, calls };
}

describe('a download', () => {
  const content = Buffer.from(LINE.repeat(40));

  it('is the file, however often it was cut, at any sixteenth and inside a character', async () => {
    const dir = await temporaryDirectory();
    for (let part = 1; part < 16; part++) {
      const at = Math.floor((content.length * part) / 16);
      for (const range of [true, false]) {
        const { service, calls } = serving(content, { cuts: [at, 3, at], range });
        const path = join(dir, `${part}-${range}`);
        const file = await fetchFile(service, 'f', path, signal);
        expect((await readFile(path)).equals(content)).toBe(true);
        expect(file).toMatchObject({ bytes: content.length, lines: 40, endsWell: true });
        expect(calls.length).toBeGreaterThan(1);
        if (range) expect(calls[1]).toBe(at);
      }
    }
  });

  it('that begins anew must begin as it did', async () => {
    const dir = await temporaryDirectory();
    const other = Buffer.from(content);
    other[5] = (other[5] ?? 0) ^ 1;
    const { service } = serving(content, { cuts: [700, 90, 800], range: false });
    let calls = 0;
    const fickle = {
      downloadFile: (id: string, offset: number) =>
        ++calls === 3
          ? serving(other, { range: false }).service.downloadFile(id, offset)
          : service.downloadFile(id, offset),
    } as unknown as BatchService;
    const path = join(dir, 'fickle');
    const failure = { code: 'download_changed', retryable: true };
    await expect(fetchFile(fickle, 'f', path, signal)).rejects.toMatchObject(failure);
    await expect(readFile(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is given up when it is cut again and again without a byte', async () => {
    const dir = await temporaryDirectory();
    const { service, calls } = serving(content, { cuts: Array(50).fill(0) });
    await expect(fetchFile(service, 'f', join(dir, 'x'), signal)).rejects.toMatchObject({
      code: 'download_cut',
    });
    expect(calls.length).toBeLessThan(10);
  });

  const ENDS: readonly [what: string, text: string, lines: number, endsWell: boolean][] = [
    ['no byte', '', 0, true],
    ['blank lines only', '\n\n', 0, true],
    ['no final newline', LINE + LINE.trimEnd(), 2, true],
    ['an end inside a line', LINE + LINE.slice(0, 20), 2, false],
    ['an end inside a character', LINE.slice(0, -1) + LINE.slice(0, 30), 1, false],
    ['a blank line in the middle', `${LINE}\n${LINE}`, 2, true],
  ];
  for (const [what, text, lines, endsWell] of ENDS) {
    it(`tells ${what}`, async () => {
      const dir = await temporaryDirectory();
      const { service } = serving(Buffer.from(text));
      const file = await fetchFile(service, 'f', join(dir, 'x'), signal);
      expect(file).toMatchObject({ lines, endsWell });
    });
  }
});
