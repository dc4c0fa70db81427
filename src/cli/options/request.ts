import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { errorCode, UsageError } from '../../core/errors.ts';
import type { Endpoint } from '../../core/request.ts';
import type { ImageDetail, RequestDefinition } from '../../requests/definition.ts';
import { ENDPOINTS } from '../../requests/endpoint.ts';
import type { JsonObject, JsonValue } from '../../requests/json.ts';
import { oneOf } from '../units.ts';
import { type Flags, given, refusePair } from './flags.ts';

const DETAILS = ['low', 'high', 'auto', 'original'] as const satisfies readonly ImageDetail[];

export interface RequestFlags {
  model?: string;
  baseModel?: string;
  models?: string;
  prompt?: string;
  system?: string;
  schema?: string;
  request?: string;
  endpoint?: Endpoint;
  idField?: string;
  param?: readonly string[];
  imageField?: readonly string[];
  imageDetail?: ImageDetail;
}

/** What is asked of the model for each record. */
export function addRequestFlags(command: Command): Command {
  return command
    .optionsGroup('Request:')
    .option('--model <name>', 'the batch deployment that answers')
    .option('--base-model <name>', 'the model behind it (tokens, prices): gpt-4o')
    .option('--models <file>', 'facts and prices of models in place of the shipped ones')
    .option('--prompt <text>', 'with {{field}} for a column, or @FILE')
    .option('--system <text>', 'the system message, or @FILE')
    .option('--request <file>', 'a JSON body template, or a .ts or .js module')
    .option('--schema <file>', 'a JSON Schema that every answer must have')
    .option('--image-field <name>', 'the column with images: URLs or files; repeatable', collect)
    .option('--image-detail <detail>', `how closely they are seen: ${DETAILS.join(' ')}`, (text) =>
      oneOf(text, '--image-detail', DETAILS),
    )
    .option('--param <key=value>', 'of the body: temperature=0; repeatable', collect)
    .option('--endpoint <path>', `${ENDPOINTS.join(' ')}`, (text) =>
      oneOf(text, '--endpoint', ENDPOINTS),
    )
    .option('--id-field <name>', 'the column with the custom_id');
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

const OF_PROMPTS = [
  '--prompt',
  '--system',
  '--request',
  '--schema',
  '--param',
  '--id-field',
  '--image-field',
  '--image-detail',
];

/**
 * The request that the flags declare, as the job remembers it. Reads the files that they name;
 * throws a UsageError for flags that contradict each other, or that ask for nothing.
 */
export function requestDefinition(
  flags: RequestFlags,
  format: string | undefined,
): RequestDefinition {
  if (format === 'batch') return batchDefinition(flags);
  refusePair(flags as Flags, '--prompt', '--request', 'each says what is asked; choose one');
  refusePair(flags as Flags, '--system', '--request', 'put the system message into the template');
  refusePair(flags as Flags, '--image-detail', '--request', 'put the detail into the template');
  const { model, request, prompt, system, endpoint, idField, imageField } = flags;
  if (request === undefined && prompt === undefined) {
    throw new UsageError(
      system === undefined
        ? "nothing is asked: give --prompt 'Label: {{text}}', --request FILE, or --format batch for a request file as it is"
        : '--system stands beside a --prompt, and there is none; give both',
    );
  }
  const common = {
    endpoint,
    idField,
    parameters: parameters(flags.param),
    schema: flags.schema === undefined ? undefined : readJsonObject(flags.schema, '--schema'),
  };
  if (request !== undefined && !/\.json$/i.test(request)) {
    if (!/\.[cm]?[jt]s$/i.test(request)) {
      throw new UsageError(
        `--request ${request}: it must be a .json template or a .ts or .js module`,
      );
    }
    const why = 'a module makes the whole body, images included';
    refusePair(flags as Flags, '--image-field', '--request', why);
    readText(request, `--request ${request}`);
    return plain({
      kind: 'module',
      ...common,
      model: needModel(model),
      url: pathToFileURL(resolve(request)).href,
    });
  }
  if (request !== undefined) {
    const body = readJsonObject(request, '--request');
    const own = typeof body.model === 'string' ? body.model : undefined;
    const { model: _own, ...rest } = body;
    return plain({
      kind: 'body',
      ...common,
      model: needModel(model ?? own),
      body: rest,
      imageField,
    });
  }
  return plain({
    kind: 'prompt',
    ...common,
    model: needModel(model),
    prompt: textOf(prompt ?? '', '--prompt'),
    system: system === undefined ? undefined : textOf(system, '--system'),
    imageField,
    imageDetail: flags.imageDetail,
  });
}

function batchDefinition(flags: RequestFlags): RequestDefinition {
  const both = OF_PROMPTS.find((flag) => given(flags as Flags, flag));
  if (both !== undefined) {
    throw new UsageError(
      `--format batch and ${both} cannot stand together: a request file says what is asked; leave one out`,
    );
  }
  return plain({ kind: 'batch', model: flags.model, endpoint: flags.endpoint });
}

function needModel(model: string | undefined): string {
  if (model !== undefined && model !== '') return model;
  throw new UsageError('--model is missing: the name of the batch deployment that answers');
}

/** Without the keys that have no value: the definition is stored and compared as JSON. */
function plain<D extends RequestDefinition>(definition: D): D {
  return Object.fromEntries(
    Object.entries(definition).filter(([, value]) => value !== undefined),
  ) as D;
}

/** `key=value`; a value that is JSON is taken as JSON, anything else as text. */
function parameters(pairs: readonly string[] | undefined): JsonObject | undefined {
  if (pairs === undefined) return undefined;
  const found: Record<string, JsonValue> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--param "${pair}" is not KEY=VALUE: write temperature=0`);
    found[pair.slice(0, at)] = jsonOrText(pair.slice(at + 1));
  }
  return found;
}

function jsonOrText(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}

/** The text itself, or that of the file behind `@`, without its last line end. */
function textOf(text: string, flag: string): string {
  return text.startsWith('@')
    ? readText(text.slice(1), `${flag} ${text}`).replace(/\r?\n$/, '')
    : text;
}

function readJsonObject(path: string, flag: string): JsonObject {
  const text = readText(path, `${flag} ${path}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${flag} ${path} is not JSON`, { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  throw new UsageError(`${flag} ${path} must hold one JSON object`);
}

/** `given` is the flag with its value, as it was typed. */
function readText(path: string, given: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/^\ufeff/, '');
  } catch (cause) {
    const code = errorCode(cause);
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`;
    throw new UsageError(`${given}: ${why}`, { cause });
  }
}
