import { Command } from 'commander';
import { errorCode, UsageError } from '../../core/errors.ts';
import { addGeneralFlags, type Finish } from '../options/general.ts';

/** More than anybody reads; the count at the end is of all. */
const SHOWN = 100;

const UNREADABLE: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EISDIR', 'it is a directory; name a file'],
  ['EACCES', 'you have no right to read it'],
]);

/** `millrace validate`: the service's own checks on a request file. */
export function validateCommand(finish: Finish): Command {
  const command = new Command('validate')
    .summary('check a request file as the service does')
    .description("Checks a request file line by line and prints the service's own codes.")
    .usage('FILE.jsonl [--service URL] [--json]')
    .argument('<file>', 'a request file, a JSON object a line')
    .option('--service <url>', 'whose limits count: https://api.openai.com/v1 (Azure)');
  addGeneralFlags(command, '--json', 'a JSON object for each finding on standard output');
  return command.action((file: string, flags: ValidateFlags) =>
    finish(() => validate(file, flags)),
  );
}

interface ValidateFlags {
  json?: boolean;
  service?: string;
}

async function validate(file: string, { json = false, service }: ValidateFlags): Promise<number> {
  const [{ validateRequestFile }, { resolveLimits }, { plural }, { parseEndpoint }] =
    await Promise.all([
      import('../../requests/validate-file.ts'),
      import('../../shards/limits.ts'),
      import('../screen/words.ts'),
      import('../../service/endpoint.ts'),
    ]);
  const dialect = service === undefined ? undefined : parseEndpoint(service).dialect;
  let findings = 0;
  try {
    for await (const finding of validateRequestFile(file, resolveLimits({}, dialect))) {
      findings += 1;
      const { line, code, message, param } = finding;
      if (json) process.stdout.write(`${JSON.stringify(finding)}\n`);
      else if (findings <= SHOWN) {
        const where = line === null ? file : `${file}:${line}`;
        process.stdout.write(
          `${where}  ${code}  ${message}${param === null ? '' : ` (${param})`}\n`,
        );
      }
    }
  } catch (cause) {
    const why = UNREADABLE.get(errorCode(cause) ?? '');
    if (why === undefined) throw cause;
    throw new UsageError(`${file}: ${why}`, { cause });
  }
  if (json) return findings === 0 ? 0 : 2;
  if (findings > SHOWN) process.stderr.write(`${plural(findings - SHOWN, 'finding')} more\n`);
  process.stderr.write(
    findings === 0 ? `${file}: the service will take it\n` : `${plural(findings, 'finding')}\n`,
  );
  return findings === 0 ? 0 : 2;
}
