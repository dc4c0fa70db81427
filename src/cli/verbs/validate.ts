import { Command } from 'commander';
import { errorCode, UsageError } from '../../core/errors.ts';
import type { FileError, FileLimits } from '../../requests/validate-file.ts';
import { EXIT_OK, EXIT_ROWS } from '../exit.ts';
import { addGeneralFlags, type Finish } from '../options/general.ts';

/** More than anybody reads; the count at the end is of all. */
const SHOWN = 100;

const UNREADABLE: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EISDIR', 'it is a directory; name a file'],
  ['EACCES', 'you have no right to read it'],
]);

/** `millrace validate`: the service's own checks on request files. */
export function validateCommand(finish: Finish): Command {
  const command = new Command('validate')
    .summary('check request files as the service does')
    .description(
      "Checks request files line by line, each by itself, and prints the service's own codes.",
    )
    .usage('FILE.jsonl... [--service URL] [--json]')
    .argument('<file...>', 'request files or globs, a JSON object a line')
    .option('--service <url>', 'whose limits count: https://api.openai.com/v1 (Azure)');
  addGeneralFlags(command, '--json', 'a JSON object for each finding on standard output');
  return command.action((files: string[], flags: ValidateFlags) =>
    finish(() => validate(files, flags)),
  );
}

interface ValidateFlags {
  json?: boolean;
  service?: string;
}

async function validate(
  names: string[],
  { json = false, service }: ValidateFlags,
): Promise<number> {
  const [{ expandGlobs }, { resolveLimits }, { number, plural }, { parseEndpoint }] =
    await Promise.all([
      import('../../sources/globs.ts'),
      import('../../shards/limits.ts'),
      import('../screen/words.ts'),
      import('../../service/endpoint.ts'),
    ]);
  const dialect = service === undefined ? undefined : parseEndpoint(service).dialect;
  const limits = resolveLimits({}, dialect);
  const files = await expandGlobs(names);
  // A file that was named alone has findings without its name.
  const named = files.length > 1 || files[0] !== names[0];
  let findings = 0;
  let faulty = 0;
  for (const file of files) {
    const before = findings;
    for await (const finding of findingsOf(file, limits)) {
      findings += 1;
      if (json) {
        process.stdout.write(`${JSON.stringify(named ? { file, ...finding } : finding)}\n`);
      } else if (findings <= SHOWN) {
        process.stdout.write(`${inWords(file, finding)}\n`);
      }
    }
    if (findings > before) faulty += 1;
  }
  const code = findings === 0 ? EXIT_OK : EXIT_ROWS;
  if (json) return code;
  if (findings > SHOWN) process.stderr.write(`${plural(findings - SHOWN, 'finding')} more\n`);
  const [only] = files.length === 1 ? files : [];
  const sum = plural(findings, 'finding');
  process.stderr.write(
    findings === 0
      ? `${only ?? plural(files.length, 'file')}: the service will take ${only ? 'it' : 'them'}\n`
      : `${only ? sum : `${sum} in ${number(faulty)} of ${plural(files.length, 'file')}`}\n`,
  );
  return code;
}

/** What the service would say of a file. Throws a UsageError when it cannot be read. */
async function* findingsOf(file: string, limits: FileLimits): AsyncGenerator<FileError> {
  const { validateRequestFile } = await import('../../requests/validate-file.ts');
  try {
    yield* validateRequestFile(file, limits);
  } catch (cause) {
    const why = UNREADABLE.get(errorCode(cause) ?? '');
    if (why === undefined) throw cause;
    throw new UsageError(`${file}: ${why}`, { cause });
  }
}

function inWords(file: string, { line, code, message, param }: FileError): string {
  const where = line === null ? file : `${file}:${line}`;
  return `${where}  ${code}  ${message}${param === null ? '' : ` (${param})`}`;
}
