import { readFileSync } from 'node:fs';
import { errorCode, UsageError } from '../core/errors.ts';
import type { AuthKind, ServiceSettings } from '../service/env.ts';
import { AUTH } from './options/service.ts';
import { count, oneOf } from './units.ts';

/** One entry of a `--targets` file, as it is written. */
interface Entry {
  readonly name: string;
  readonly endpoint: string;
  readonly deployment?: string;
  readonly auth?: AuthKind;
  readonly keyEnv?: string;
  readonly apiVersion?: string;
  readonly blobContainer?: string;
  readonly enqueuedTokens?: number;
  readonly weight?: number;
}

const FIELDS: Readonly<Record<keyof Entry, 'text' | 'count' | 'number'>> = {
  name: 'text',
  endpoint: 'text',
  deployment: 'text',
  auth: 'text',
  keyEnv: 'text',
  apiVersion: 'text',
  blobContainer: 'text',
  enqueuedTokens: 'count',
  weight: 'number',
};

/** What somebody may write who thinks that a key belongs into the file. */
const SECRETS = /^(api[-_]?)?(key|token|secret|password)$/i;

const EXAMPLE =
  '[{"name": "east", "endpoint": "https://EAST.openai.azure.com", "deployment": "gpt-4o-batch", "keyEnv": "EAST_KEY"}]';

/**
 * Reads a file of targets: a JSON array of objects, each with a name and an endpoint. A key stands in
 * the environment, and the file names the variable. Throws a UsageError that says which entry is
 * wrong and how; nothing of a value that could be a secret is shown.
 */
export function readTargets(path: string): ServiceSettings[] {
  const found = parse(path);
  if (!Array.isArray(found) || found.length === 0) {
    throw new UsageError(`--targets ${path} must hold a JSON array of targets: ${EXAMPLE}`);
  }
  const settings = found.map((entry, index) =>
    settingsOf(entry, `--targets ${path}: target ${index + 1}`),
  );
  const names = settings.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new UsageError(
      `--targets ${path}: two targets are called "${twice}"; name each by itself`,
    );
  }
  return settings;
}

function settingsOf(entry: unknown, where: string): ServiceSettings {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    throw new UsageError(`${where} is not an object: ${EXAMPLE}`);
  }
  const values: Record<string, string | number> = {};
  for (const [field, value] of Object.entries(entry)) {
    if (SECRETS.test(field)) {
      throw new UsageError(
        `${where} has a field "${field}": put the key into an environment variable and name that by ` +
          '"keyEnv"; no secret belongs into a file',
      );
    }
    const kind = Object.hasOwn(FIELDS, field) ? FIELDS[field as keyof Entry] : undefined;
    if (kind === undefined) {
      throw new UsageError(
        `${where} has a field "${field}" that is not known: there are ${Object.keys(FIELDS).join(', ')}`,
      );
    }
    values[field] = fieldValue(value, kind, `${where}: ${field}`);
  }
  const { name, endpoint, auth, ...rest } = values as unknown as Entry;
  if (name === undefined || endpoint === undefined) {
    throw new UsageError(
      `${where} lacks its ${name === undefined ? 'name' : 'endpoint'}: ${EXAMPLE}`,
    );
  }
  if (auth !== undefined) oneOf(auth, `${where}: auth`, AUTH);
  return { ...rest, name, service: endpoint, ...(auth === undefined ? {} : { auth }) };
}

function fieldValue(
  value: unknown,
  kind: 'text' | 'count' | 'number',
  where: string,
): string | number {
  if (kind === 'text' && typeof value === 'string' && value.trim() !== '') return value.trim();
  if (kind === 'count' && (typeof value === 'string' || typeof value === 'number')) {
    return count(String(value), where);
  }
  if (kind === 'number' && typeof value === 'number' && value > 0) return value;
  const wanted = { text: 'a text', count: 'a count such as "200M"', number: 'a number above 0' };
  throw new UsageError(`${where} must be ${wanted[kind]}`);
}

function parse(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/^\ufeff/, '');
  } catch (cause) {
    const why = errorCode(cause) === 'ENOENT' ? 'there is no such file' : 'it cannot be read';
    throw new UsageError(`--targets ${path}: ${why}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own words show the text around the mistake.
    throw new UsageError(`--targets ${path} is not JSON: ${EXAMPLE}`);
  }
}
