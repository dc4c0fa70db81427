import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { FaultRule } from '../../src/emulator/index.ts';
import { EmulatorProcess, millrace } from './processes.ts';

const KEY = 'canary-key-7f3a9c51d2';
const PROMPT = 'canary-record-b81e04';

/** What goes wrong while the canaries are about; each is followed by a run without it. */
const TROUBLES: Record<string, readonly FaultRule[]> = {
  nothing: [],
  'a key that is refused, in words that hold it': [
    {
      on: 'files.upload',
      do: 'answer',
      status: 401,
      body: { error: { code: '401', message: `Access denied for ${KEY}` } },
    },
  ],
  'a server that says what it was sent': [
    {
      on: 'batches.create',
      do: 'answer',
      status: 400,
      body: { error: { code: 'invalid_request', message: `bad key ${KEY}` } },
    },
  ],
  'answers that are broken': [
    { on: 'files.content', do: 'cut-body', afterBytes: 100, count: 2 },
    { on: 'batches.list', do: 'bad-json', count: 1 },
    { on: 'line', do: 'status', status: 500, into: 'output', probability: 0.3 },
  ],
};

for (const [what, rules] of Object.entries(TROUBLES)) {
  it(`gives away neither the key nor a record: ${what}`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-canary-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const source = join(directory, 'in.csv');
    const texts = Array.from({ length: 12 }, (_, n) => `${n},"${PROMPT} ${n}"`);
    await writeFile(source, `id,text\n${texts.join('\n')}\nragged,"${PROMPT}",more\n`);
    const emulator = new EmulatorProcess(join(directory, 'service'), {
      speed: 3000,
      key: KEY,
      faults: { rules },
    });
    await emulator.start();
    onTestFinished(() => emulator.kill());
    const job = join(directory, 'canary.job');
    const run = await millrace(
      [
        ...['run', source, '--job', job, '--out', join(directory, 'out.ndjson')],
        ...['--model', 'gpt-4o-mini', '--prompt', 'Label: {{text}}', '--max-requests', '5'],
        ...['--poll-interval', '50ms', '--submit-grace', '500ms', '--json', '--verbose'],
      ],
      emulator.env(),
    ).ended;
    const status = await millrace(['status', '--json', '--job', job]).ended;
    const said = run.stdout + run.stderr + status.stdout + status.stderr;
    expect(said).not.toContain(KEY);
    expect(said).not.toContain(PROMPT);
    expect(run.stderr).toMatch(/"type"|millrace:/);
    const store = await Promise.all(
      (await readdir(job))
        .filter((name) => /^job\.db|^lock|last-run/.test(name))
        .map((name) => readFile(join(job, name))),
    );
    for (const bytes of store) {
      expect(bytes.includes(KEY)).toBe(false);
      expect(bytes.includes(PROMPT)).toBe(false);
    }
  });
}
