import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needFreshDist, ROOT, run } from './dist.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-pack-'));
const home = join(folder, 'empty');
let tarball = '';

/** Node 22, by the package that brings it, so that the oldest runtime is tested too. */
const OLDEST = 'node@22';

/** An install goes over the network. */
const INSTALL_MS = 5 * 60 * 1000; // 5 min

beforeAll(() => {
  needFreshDist();
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  run('npm', args, ROOT);
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '');
  mkdirSync(home);
  const manifest = { private: true, type: 'module', allowScripts: { node: true } };
  writeFileSync(join(home, 'package.json'), JSON.stringify(manifest));
  const install = ['install', '--omit=dev', '--no-audit', '--no-fund', '--prefer-offline'];
  run('npm', [...install, tarball, OLDEST], home);
}, INSTALL_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const current = process.execPath;
const oldest = join(home, 'node_modules', 'node', 'bin', 'node');
const bin = join(home, 'node_modules', 'millrace', 'dist', 'cli', 'bin.js');

describe('the tarball', () => {
  test('passes publint', async () => {
    const { buffer } = readFileSync(tarball);
    const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test('holds what runs, and nothing else', () => {
    const files = readdirSync(join(home, 'node_modules', 'millrace'), {
      recursive: true,
      encoding: 'utf8',
    });
    const stray = files.filter(
      (file) => !/^(dist(\/|$)|package\.json$|README\.md$|LICENSE$)/.test(file),
    );
    expect(stray).toEqual([]);
    expect(files.filter((file) => /\.map$|\.test\.|\.tsbuildinfo$/.test(file))).toEqual([]);
  });
});

describe.each([
  ['this Node', () => current],
  ['Node 22', () => oldest],
])('installed elsewhere, without development dependencies, on %s', (name, node) => {
  test('runs a job from end to end', () => {
    const version = run(node(), ['--version'], home).trim();
    if (name === 'Node 22') expect(version).toMatch(/^v22\./);
    expect(run(node(), [bin, '--version'], home).trim()).toBe('0.1.0');
    const source = join(home, `${version}.csv`);
    const out = join(home, `${version}.ndjson`);
    writeFileSync(source, 'id,text\n1,one\n2,"two, or\nso"\n3,три\n');
    const request = ['--model', 'gpt-4o', '--prompt', 'Label: {{text}}'];
    const job = join(home, `${version}.job`);
    run(
      node(),
      [bin, 'run', source, '--job', job, '--out', out, '--service', 'local', ...request],
      home,
    );
    const rows = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ status, record }) => [status, record.text])).toEqual([
      ['ok', 'one'],
      ['ok', 'two, or\nso'],
      ['ok', 'три'],
    ]);
  });

  test('both entries can be imported, with their types', () => {
    const script = `
      const { runBatchJob, azureOpenAI } = await import('millrace');
      const { startEmulator } = await import('millrace/emulator');
      const emulator = await startEmulator({ speed: 2000 });
      const target = azureOpenAI({ endpoint: emulator.url, apiKey: emulator.key });
      for await (const batch of target.service.listBatches()) throw new Error(batch.id);
      await target.service.close();
      await emulator.close();
      console.log(typeof runBatchJob);`;
    expect(run(node(), ['--input-type=module', '-e', script], home).trim()).toBe('function');
    const types = join(home, 'node_modules', 'millrace', 'dist', 'index.d.ts');
    expect(readFileSync(types, 'utf8')).toContain('runBatchJob');
  });
});
