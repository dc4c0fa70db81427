import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { needFreshDist, ROOT, run } from './dist.ts';

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** What a user may import. Another name here is a promise: add it on purpose. */
const PUBLIC = [
  'CountedRequest',
  'MillraceError',
  'PreparedRequest',
  'RejectedRecord',
  'ServiceError',
  'SourceRecord',
  'UsageError',
  'asTransform',
  'azureOpenAI',
  'buildRequests',
  'cancelJob',
  'countTokens',
  'createSink',
  'createTokenCounter',
  'defineStage',
  'estimateJob',
  'fromIterable',
  'joinResults',
  'loadModelTable',
  'mapRecords',
  'openAI',
  'openJob',
  'openSource',
  'parseBatchFile',
  'parseCsv',
  'parseJson',
  'parseNdjson',
  'prepareJob',
  'purgeJob',
  'readStatus',
  'reopenFailed',
  'resumeBatchJob',
  'runBatchJob',
  'submitShards',
  'toWritable',
  'writeOutput',
  'writeResults',
  'writeShards',
];

beforeAll(needFreshDist);

describe('the package', () => {
  test('exports three paths and no other', () => {
    expect(Object.keys(manifest.exports)).toEqual(['.', './emulator', './package.json']);
    expect(manifest.bin).toEqual({ millrace: './dist/cli/bin.js' });
    expect(manifest.type).toBe('module');
    expect(manifest.scripts).not.toHaveProperty('install');
    expect(manifest.scripts).not.toHaveProperty('postinstall');
  });

  test('its types need no package that may be missing', () => {
    const optional = Object.keys(manifest.peerDependenciesMeta);
    expect(optional).toContain('@azure/storage-blob');
    const used = ['index', 'emulator/index'].flatMap((name) =>
      packagesOf(join(ROOT, 'dist', `${name}.d.ts`), new Set()),
    );
    expect(used).toContain('undici');
    expect(used.filter((name) => optional.includes(name))).toEqual([]);
  });

  test('exports these names', async () => {
    const script = "import('millrace').then((m) => console.log(JSON.stringify(Object.keys(m))))";
    const names = JSON.parse(run(process.execPath, ['-e', script], ROOT));
    expect(names.toSorted()).toEqual(PUBLIC.toSorted());
  });

  test.each(['millrace/core/errors.js', 'millrace/dist/index.js', 'millrace/cli'])(
    '%s stays inside',
    (path) => {
      expect(() => run(process.execPath, ['-e', `import('${path}')`], ROOT)).toThrow(
        /ERR_PACKAGE_PATH_NOT_EXPORTED/,
      );
    },
  );
});

test('every exported name and every option of a call has a word on it', () => {
  const silent = publicDeclarations().flatMap(({ name, code, doc }) => [
    ...(doc ? [] : [name]),
    ...(name.endsWith('Options') ? silentMembers(code).map((member) => `${name}.${member}`) : []),
  ]);
  expect(silent).toEqual([]);
});

/** What `src/index.ts` exports, each with its source from its name on. */
function publicDeclarations() {
  const exports = /export (?:type )?\{(?<names>[^}]*)\} from '(?<from>[^']+)'/g;
  return [...read('index.ts').matchAll(exports)].flatMap(({ groups }) =>
    (groups?.names ?? '')
      .split(',')
      .map((name) => name.replace(/^\s*type /, '').trim())
      .filter((name) => name !== '')
      .map((name) => declaration(name, groups?.from ?? '')),
  );
}

function declaration(name: string, from: string): { name: string; code: string; doc: boolean } {
  const source = read(from);
  const again = new RegExp(`export (?:type )?\\{[^}]*\\b${name}\\b[^}]*\\} from '([^']+)'`).exec(
    source,
  );
  if (again?.[1] !== undefined) return declaration(name, join(dirname(from), again[1]));
  const keywords = '(?:async )?(?:function\\*?|class|interface|type|const)';
  const at = source.search(new RegExp(`^export ${keywords} ${name}\\b`, 'm'));
  expect(at, `${name} in ${from}`).toBeGreaterThanOrEqual(0);
  return { name, code: source.slice(at), doc: source.slice(0, at).endsWith('*/\n') };
}

/** The members of an interface that no doc block stands before. */
function silentMembers(code: string): string[] {
  const lines = code.slice(0, code.indexOf('\n}')).split('\n');
  return lines.flatMap((line, index) => {
    const member = /^ {2}(?:readonly )?(\w+)\??:/.exec(line)?.[1];
    return member === undefined || lines[index - 1]?.endsWith('*/') ? [] : [member];
  });
}

function read(path: string): string {
  return readFileSync(join(ROOT, 'src', path), 'utf8');
}

/** The packages that a declaration file imports, itself and by those that it imports. */
function packagesOf(path: string, seen: Set<string>): string[] {
  if (seen.has(path)) return [];
  seen.add(path);
  const named = readFileSync(path, 'utf8').matchAll(/\b(?:from|import)\s*\(?\s*'(?<name>[^']+)'/g);
  return [...named].flatMap(({ groups }) => {
    const name = groups?.name ?? '';
    if (!name.startsWith('.')) return [name];
    return packagesOf(join(dirname(path), name.replace(/\.[jt]s$/, '.d.ts')), seen);
  });
}
