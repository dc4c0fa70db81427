import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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
