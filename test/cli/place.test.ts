import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LOCAL, millrace, ndjson, start, workplace } from './command.ts';

describe("what is not the job's own is left alone", () => {
  test('an output never takes the place of a source, by whatever name', async () => {
    const { folder, source, job } = workplace(3);
    const before = readFileSync(source, 'utf8');
    const link = join(folder, 'same.csv');
    symlinkSync(source, link);
    for (const input of [source, link]) {
      const done = await millrace(['run', input, '--job', job, '--out', source, ...LOCAL]);
      expect(done.code).toBe(1);
      expect(done.stderr).toContain('is the source itself');
      expect(existsSync(job)).toBe(false);
    }
    const request = ['--model', 'gpt-4o', '--prompt', '{{text}}'];
    await millrace(['prepare', source, '--job', job, ...request]);
    const later = ['resume', '--job', job, '--out', source, '--service', 'local'];
    expect((await millrace(later)).stderr).toContain('is the source itself');
    expect(readFileSync(source, 'utf8')).toBe(before);
  });

  test('a job is not begun among other files, and a purge does not take them along', async () => {
    const { folder, source, job, out } = workplace(3);
    const taken = join(folder, 'taken');
    mkdirSync(taken);
    writeFileSync(join(taken, 'notes.txt'), 'mine');
    for (const verb of ['run', 'prepare']) {
      const rest = verb === 'run' ? ['--out', out, ...LOCAL] : LOCAL.slice(2);
      const done = await millrace([verb, source, '--job', taken, ...rest]);
      expect(done.code).toBe(1);
      expect(done.stderr).toContain('notes.txt');
    }
    await millrace(['run', source, '--job', job, '--out', out, ...LOCAL]);
    writeFileSync(join(job, 'notes.txt'), 'mine');
    const kept = await millrace(['purge', '--job', job, '--yes']);
    expect(kept.code).toBe(1);
    expect(kept.stderr).toContain('notes.txt');
    expect(readFileSync(join(job, 'notes.txt'), 'utf8')).toBe('mine');
  });
});

describe('the commands that are printed work as they stand', () => {
  test('an address that was a flag is in the command that goes on', async () => {
    const { source, job, out } = workplace(3);
    const emulator = start(['emulator', '--port', '0', '--json', '--speed', '20']);
    const { url, key } = await new Promise<{ url: string; key: string }>((resolve) => {
      emulator.child.stdout?.once('data', (text) => resolve(JSON.parse(String(text))));
    });
    const env = { AZURE_OPENAI_API_KEY: key };
    const request = ['--model', 'gpt-4o', '--prompt', '{{text}}', '--poll-interval', '100ms'];
    const args = ['run', source, '--job', job, '--out', out, '--service', url, ...request];
    const run = start([...args, '--json'], { env });
    await run.saw('"submitted"');

    const asked = await millrace(['cancel', '--job', job]);
    expect(asked.stderr).toContain('Asked the process');
    expect(asked.code).toBe(0);
    await run.saw('cancel');
    run.child.kill('SIGINT');
    // To resume would take the cancel back.
    const goOn = ['cancel', '--job', job, '--service', url];
    expect((await run.done).stderr).toContain(goOn.join(' '));
    const cancelled = await millrace(goOn, { env });
    expect(cancelled.code).toBe(0);
    const status = JSON.parse((await millrace(['status', '--job', job, '--json'])).stdout);
    expect(status.state).toBe('cancelled');
    emulator.child.kill('SIGTERM');
    await emulator.done;
  });

  test('a reader that has seen enough of standard output is told where the rest is', async () => {
    const { source, job, folder } = workplace(2000);
    const run = start([
      'run',
      source,
      '--job',
      job,
      '--out',
      '-',
      ...LOCAL,
      '--enqueued-tokens',
      '1M',
    ]);
    run.child.stdout?.once('data', () => run.child.stdout?.destroy());
    const { code, stderr } = await run.done;
    expect(stderr).toContain('standard output was closed');
    expect(stderr).not.toContain('EPIPE');
    expect(code).toBe(1);
    const out = join(folder, 'rest.ndjson');
    expect((await millrace(['resume', '--job', job, '--out', out])).code).toBe(0);
    expect(ndjson(out)).toHaveLength(2000);
  });

  test('retry of a job without failed rows changes nothing', async () => {
    const { source, job, out } = workplace(3);
    await millrace(['run', source, '--job', job, '--out', out, ...LOCAL]);
    const before = readFileSync(out, 'utf8');
    const { code, stderr } = await millrace(['retry', '--job', job]);
    expect(stderr).toContain('No row failed.');
    expect(code).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe(before);
  });
});
