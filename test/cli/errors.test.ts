import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LOCAL, millrace, start, workplace } from './command.ts';

describe('mistakes are told in a line or two, before anything is made', () => {
  const { folder, source, job, out } = workplace(3);
  const run = ['run', source, '--job', job, '--out', out];
  const request = ['--model', 'gpt-4o', '--prompt', '{{text}}'];

  test.each([
    ['no service', [...run, ...request], 'no service was named'],
    ['no request', [...run, '--service', 'local', '--model', 'm'], 'nothing is asked'],
    [
      'a field that is not there',
      [...run, '--service', 'local', '--model', 'm', '--prompt', '{{txt}}'],
      'did you mean {{text}}',
    ],
    [
      'a source that is not there',
      ['run', 'nope.csv', '--job', job, '--out', out, ...LOCAL],
      'nope.csv: there is no such file',
    ],
    [
      'a glob that matches nothing',
      ['run', `${folder}/*.json`, '--job', job, '--out', out, ...LOCAL],
      'no file matches',
    ],
    [
      'an output of no known kind',
      ['run', source, '--job', job, '--out', 'rows.xml', ...LOCAL],
      'rows.xml',
    ],
    [
      'an output in no folder',
      ['run', source, '--job', job, '--out', join(folder, 'no', 'rows.csv'), ...LOCAL],
      'no folder',
    ],
    ['standard input of no kind', ['run', '-', '--job', job, '--out', out, ...LOCAL], '--format'],
    [
      'a duration without a unit',
      [...run, ...LOCAL, '--poll-interval', '5'],
      '--poll-interval "5"',
    ],
    ['a flag that does not exist', [...run, ...LOCAL, '--fast'], "unknown option '--fast'"],
    ['a verb that does not exist', ['runn'], "unknown command 'runn'"],
    ['a port that no machine has', ['emulator', '--port', '65536'], 'from 0 to 65535'],
    ['a directory to validate', ['validate', folder], 'name a file'],
    [
      'a prompt file that is not there',
      [...run, ...LOCAL.slice(0, 4), '--prompt', '@nope'],
      '--prompt @nope: there is no such file',
    ],
    ['no job directory given', ['run', source, '--out', out, ...LOCAL], "'--job <dir>'"],
    ['a job directory that is a file', ['run', source, '--job', source, ...LOCAL], 'is a file'],
    ['the help of no verb', ['help', 'runn'], 'there is no verb "runn"'],
    ['a flag that is missing, with the verb', ['resume'], 'millrace help resume'],
    ['the same in a group', ['batches', 'get'], 'millrace help batches'],
    ['a job that is not there', ['resume', '--job', job], 'holds no job'],
    ['a plain http service', [...run, ...request, '--service', 'http://example.com'], 'refused'],
    [
      'a name that no job can have',
      ['run', source, '--job', join(folder, 'Ümlaut'), '--out', out, ...LOCAL],
      'cannot name a job',
    ],
  ])('%s', async (_what, args, words) => {
    const { code, stdout, stderr } = await millrace(args);
    expect(stderr).toContain(words);
    expect(stderr).toMatch(/^millrace: /);
    expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stdout).toBe('');
    expect(code).toBe(1);
    expect(existsSync(job)).toBe(false);
  });

  test('--verbose shows where an error came from', async () => {
    const { stderr } = await millrace(['resume', '--job', job, '--verbose']);
    expect(stderr).toMatch(/^\s+at /m);
  });
});

describe('starting', () => {
  test('--help loads nothing heavy', async () => {
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({ resolve(specifier, context, next) {
        const found = next(specifier, context);
        process.stderr.write('loaded ' + found.url + '\\n');
        return found;
      } });`;
    const nodeFlags = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`];
    const heavy =
      /undici|fastify|@azure|gpt-tokenizer|stream-json|sqlite|src\/tokens|src\/jobs|src\/emulator/;
    for (const args of [['--help'], ['run', '--help'], ['--version']]) {
      const { code, stdout, stderr } = await millrace(args, { nodeFlags });
      expect(code).toBe(0);
      expect(stdout).not.toBe('');
      expect(stderr).toContain('src/cli/main.ts');
      expect(stderr.split('\n').filter((line) => heavy.test(line))).toEqual([]);
    }
  });

  test('a Node that is too old is told which one is needed', async () => {
    const old = "Object.defineProperty(process.versions, 'node', { value: '22.18.9' });";
    const nodeFlags = ['--import', `data:text/javascript,${encodeURIComponent(old)}`];
    const { code, stderr } = await millrace(['--help'], { nodeFlags });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^millrace needs Node 22\.19 or later; this is v\S+\. .*\n$/);
  });

  test('--help lists what there is, and only that', async () => {
    const { stdout } = await millrace(['--help']);
    for (const verb of [
      'run',
      'prepare',
      'submit',
      'collect',
      'resume',
      'status',
      'cancel',
      'retry',
      'purge',
      'estimate',
      'validate',
      'emulator',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${verb} `, 'm'));
    }
    expect(stdout).not.toMatch(/^ {2}(report|worker) /m);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('the emulator says where it is, and ends when it is told to', async () => {
    const emulator = start(['emulator', '--port', '0', '--json']);
    const line = await new Promise<string>((resolve) => {
      emulator.child.stdout?.once('data', (text) => resolve(String(text)));
    });
    const { url, key } = JSON.parse(line) as { url: string; key: string };
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const batches = `${url}/openai/batches?api-version=2024-10-21`;
    expect((await fetch(batches, { headers: { 'api-key': key } })).status).toBe(200);
    expect((await fetch(batches)).status).toBe(401);
    emulator.child.kill('SIGTERM');
    expect((await emulator.done).code).toBe(0);
  });
});
