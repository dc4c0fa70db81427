import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** From left to right: a rank imports only from ranks to its left, never from its own neighbours. */
const RANKS = [
  ['core'],
  ['streams'],
  ['sources', 'tokens', 'service', 'state', 'sinks'],
  ['requests'],
  ['shards'],
  ['join'],
  ['jobs'],
  ['report', 'cli', 'index'],
];

/** The emulator stands beside the ranks, so that it cannot share the client's mistakes. */
const EMULATOR_MAY = new Set(['core', 'streams']);
/** And only the command line starts it. */
const MAY_START_THE_EMULATOR = new Set(['cli']);

function violation(from: string, to: string): string | null {
  if (from === to) return null;
  if (from === 'emulator') return EMULATOR_MAY.has(to) ? null : 'the emulator stands apart';
  if (to === 'emulator') return MAY_START_THE_EMULATOR.has(from) ? null : 'only cli starts it';
  const [left, right] = [rankOf(to), rankOf(from)];
  if (left < 0 || right < 0) return 'not a rank';
  return left < right ? null : 'runs from left to right';
}

function rankOf(folder: string): number {
  return RANKS.findIndex((group) => group.includes(folder));
}

interface Edge {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly specifier: string;
}

/** Every import and re-export of ours, `import()` and `import type` among them. */
function edgesOf(file: string, source: string): Edge[] {
  const edges: Edge[] = [];
  const pattern = /(?:\bfrom\s+|\bimport\s*\(?\s*)'(?<specifier>\.{1,2}\/[^']+)'/g;
  for (const { groups } of source.matchAll(pattern)) {
    const specifier = groups?.specifier ?? '';
    const target = relative(SRC, resolve(dirname(join(SRC, file)), specifier));
    edges.push({ file, from: folderOf(file), to: folderOf(target), specifier });
  }
  return edges;
}

function folderOf(file: string): string {
  const [first = ''] = file.split(/[/\\]/);
  return first.replace(/\.ts$/, '');
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);
const edges = files.flatMap((file) => edgesOf(file, readFileSync(join(SRC, file), 'utf8')));

describe('ranks', () => {
  test('no import runs against the ranks', () => {
    const wrong = edges.flatMap(({ file, from, to, specifier }) => {
      const why = violation(from, to);
      return why === null ? [] : [`${file} imports ${specifier}: ${why}`];
    });
    expect(wrong).toEqual([]);
  });

  test('every folder has a rank', () => {
    const folders = new Set(files.map(folderOf));
    folders.delete('emulator');
    for (const folder of folders) expect(rankOf(folder), folder).toBeGreaterThanOrEqual(0);
  });

  test('relative imports name the file as it is', () => {
    expect(edges.filter(({ specifier }) => !/\.(ts|json)$/.test(specifier))).toEqual([]);
  });

  test('the scan sees what it is for', () => {
    const source = [
      "import { a } from '../jobs/job.ts';",
      "import type { B } from '../cli/main.ts';",
      "export { c } from '../emulator/index.ts';",
      "const d = await import('../tokens/counter.ts');",
      "import '../state/sqlite/store.ts';",
    ].join('\n');
    const seen = edgesOf('service/x.ts', source).filter(({ from, to }) => violation(from, to));
    expect(seen.map(({ to }) => to)).toEqual(['jobs', 'cli', 'emulator', 'tokens', 'state']);
    expect(violation('jobs', 'core')).toBeNull();
    expect(violation('index', 'cli')).not.toBeNull();
  });
});

describe('core', () => {
  test('has no network and no disk', () => {
    const used = files
      .filter((file) => folderOf(file) === 'core')
      .flatMap((file) => readFileSync(join(SRC, file), 'utf8').match(/from '[^.'][^']*'/g) ?? []);
    expect([...new Set(used)]).toEqual(["from 'node:timers/promises'"]);
  });
});

test('SQL for SQLite has no numbered parameters: Node 22 takes them for named ones', () => {
  const folder = join(SRC, 'state', 'sqlite');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  expect(files.length).toBeGreaterThan(3);
  const numbered = files.filter((name) => /\?\d/.test(readFileSync(join(folder, name), 'utf8')));
  expect(numbered).toEqual([]);
});
