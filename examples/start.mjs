// What `npm start` runs: the main job over the example data, through the local service.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const bin = new URL('../dist/cli/bin.js', import.meta.url);
const out = 'examples/out/labels.ndjson';

const command = [
  'run examples/data/texts.csv',
  `--job examples/out/texts.job --out ${out}`,
  '--service local --model gpt-4o-batch --base-model gpt-4o',
  "--system 'You label texts by topic, in one word.' --prompt '{{title}}: {{text}}'",
  '--param temperature=0 --param max_tokens=20',
  '--max-requests 250 --enqueued-tokens 150k',
];

if (!existsSync(bin)) {
  process.stderr.write('millrace is not built yet: npm run build\n');
  process.exit(1);
}

// The rows are there only when a job is finished: then it begins anew, else it goes on.
if (existsSync(out)) rmSync('examples/out', { recursive: true });
mkdirSync('examples/out', { recursive: true });

process.stderr.write(`$ millrace ${command.join(' \\\n    ')}\n\n`);
process.argv.splice(2, process.argv.length, ...words(command.join(' ')));
await import(bin.href);

/** The words of a shell command with single quotes. */
function words(text) {
  return [...text.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare);
}
