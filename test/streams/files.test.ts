import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AtomicFile, removeTemporaries } from '../../src/streams/atomic-file.ts';
import {
  DIRECT_BLOCK_BYTES,
  DirectWriter,
  readDirect,
  takeDirectBlock,
  UNIT_BYTES,
} from '../../src/streams/direct.ts';
import { makePrivateDirectory, openPrivate } from '../../src/streams/files.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-files-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('AtomicFile', () => {
  it('shows nothing under the name before commit, and the whole after', async () => {
    const path = join(dir, 'a.ndjson');
    const file = await AtomicFile.create(path);
    await file.write('{"a":"é"}\n');
    await file.write(Buffer.from('bytes'));
    expect(await readdir(dir)).not.toContain('a.ndjson');
    await file.commit();
    expect(await readFile(path, 'utf8')).toBe('{"a":"é"}\nbytes');
    expect(file.bytes).toBe(16);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(dir)).toEqual(['a.ndjson']);
  });

  it.each([false, true])(
    'keeps the order over many blocks and chunks larger than a block (direct: %s)',
    async (direct) => {
      const path = join(dir, 'big');
      const file = await AtomicFile.create(path, { direct });
      const parts: Buffer[] = [];
      let waits = 0;
      for (const [i, size] of [700_000, 500_000, 3_500_000, 1, 1_048_576, 0, 2_000_000].entries()) {
        const part = Buffer.alloc(size, 97 + i);
        parts.push(part);
        const wait = file.write(part);
        if (wait !== undefined) waits++;
        await wait;
        const text = `${i}é語\n`.repeat(1000);
        parts.push(Buffer.from(text));
        await file.write(text);
      }
      await file.commit();
      const expected = Buffer.concat(parts);
      expect(file.bytes).toBe(expected.length);
      expect((await readFile(path)).equals(expected)).toBe(true);
      expect(waits).toBeGreaterThan(2);
    },
  );

  it('gives the disk only whole blocks that it can take past the cache', async () => {
    const write = vi.spyOn(DirectWriter.prototype, 'write');
    const path = join(dir, 'direct');
    const file = await AtomicFile.create(path, { direct: true });
    const part = Buffer.alloc(50_000, 'x');
    for (let n = 0; n < 60; n++) await file.write(part);
    await file.commit();
    expect((await stat(path)).size).toBe(60 * part.length);
    const blocks = write.mock.calls.map(([block]) => block);
    expect(blocks.map(({ length }) => length)).toEqual([DIRECT_BLOCK_BYTES, DIRECT_BLOCK_BYTES]);
    for (const { byteOffset } of blocks) expect(byteOffset % UNIT_BYTES).toBe(0);
    write.mockRestore();
  });

  it('buffers small writes without a promise', async () => {
    const file = await AtomicFile.create(join(dir, 'small'));
    expect(file.write('x')).toBeUndefined();
    await file.discard();
  });

  it('leaves nothing after discard, which may come twice or after commit', async () => {
    const path = join(dir, 'a');
    const file = await AtomicFile.create(path);
    await file.write('x');
    await file.discard();
    await file.discard();
    expect(await readdir(dir)).toEqual([]);
    const second = await AtomicFile.create(path);
    await second.commit();
    await second.discard();
    expect(await readdir(dir)).toEqual(['a']);
    expect(() => second.write('late')).toThrow(/committed/);
  });

  it('refuses a second write while one is under way', async () => {
    const file = await AtomicFile.create(join(dir, 'a'));
    const wait = file.write(Buffer.alloc(3_000_000));
    expect(() => file.write('y')).toThrow(/await it/);
    await wait;
    await file.discard();
  });

  it('does not write through a symbolic link', async () => {
    await writeFile(join(dir, 'target'), 'keep');
    await symlink(join(dir, 'target'), join(dir, 'link'));
    await expect(AtomicFile.create(join(dir, 'link'))).rejects.toMatchObject({
      code: 'symbolic_link',
    });
    await expect(openPrivate(join(dir, 'link'), 'a')).rejects.toMatchObject({
      code: 'symbolic_link',
    });
    expect(await readFile(join(dir, 'target'), 'utf8')).toBe('keep');
  });

  it('names the path when the directory is missing', async () => {
    await expect(AtomicFile.create(join(dir, 'no', 'a'))).rejects.toMatchObject({
      code: 'write_failed',
      message: expect.stringContaining('no/'),
    });
  });
});

describe('DirectWriter', () => {
  it('writes aligned blocks, and leaves others to the caller', async () => {
    const path = join(dir, 'a');
    await writeFile(path, '');
    const writer = new DirectWriter(path);
    const block = takeDirectBlock().fill(97);
    expect(await writer.write(block, 1)).toBe(false);
    expect(await writer.write(block.subarray(0, 100), 0)).toBe(false);
    // Whether a file system can is its own; what it says must be true.
    const written = await writer.write(block.subarray(0, 8192), 4096);
    expect((await stat(path)).size).toBe(written ? 12_288 : 0);
    await writer.close();
    expect(await writer.write(block, 0)).toBe(false);
  });
});

describe('readDirect', () => {
  const B = DIRECT_BLOCK_BYTES;

  it.each([0, 1, 4095, 4096, B - 1, B, B + 1, 5 * B, 6 * B + 12_345])(
    'gives the %i bytes of a file, and lets two blocks be looked at beside the present one',
    async (bytes) => {
      const path = join(dir, 'a');
      const whole = Buffer.alloc(bytes);
      for (let at = 0; at + 4 <= bytes; at += 4) whole.writeUInt32LE(at, at);
      await writeFile(path, whole);
      const room: Buffer[] = [];
      const seen: Buffer[] = [];
      for await (const block of readDirect(path, room)) {
        seen.push(block);
        const from = Math.max(0, seen.length - 3);
        const late = Buffer.concat(seen.slice(from));
        expect(late.equals(whole.subarray(from * B, from * B + late.length))).toBe(true);
      }
      expect(seen.reduce((sum, { length }) => sum + length, 0)).toBe(bytes);
      expect(room.length).toBeLessThanOrEqual(4);
    },
  );

  it('throws for a missing file, and may be left early', async () => {
    await expect(readDirect(join(dir, 'none'), []).next()).rejects.toMatchObject({
      code: 'ENOENT',
    });
    const path = join(dir, 'a');
    await writeFile(path, Buffer.alloc(3 * B));
    for await (const _ of readDirect(path, [])) break;
  });
});

describe('directories', () => {
  it('are private, may exist, and must be directories', async () => {
    await makePrivateDirectory(join(dir, 'x', 'y'));
    await makePrivateDirectory(join(dir, 'x', 'y'));
    expect((await stat(join(dir, 'x'))).mode & 0o777).toBe(0o700);
    await writeFile(join(dir, 'f'), '');
    await expect(makePrivateDirectory(join(dir, 'f'))).rejects.toMatchObject({
      code: 'write_failed',
    });
  });

  it('are rid of what a killed writer left, and of nothing else', async () => {
    const orphan = await AtomicFile.create(join(dir, 'a'));
    await writeFile(join(dir, '.user.tmp'), '');
    expect(await removeTemporaries(dir)).toBe(1);
    expect(await readdir(dir)).toEqual(['.user.tmp']);
    await orphan.discard();
  });
});
