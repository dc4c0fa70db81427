import { open, writeFile } from 'node:fs/promises';
import { isObject, type PromptCounter, promptCounter } from './answers/tokens.ts';
import { eachLine, isBlank } from './lines.ts';
import type { Switches } from './profiles.ts';
import type { FileFacts, ValidationError } from './records.ts';

/** Errors that one file reports at most. */
const MAX_ERRORS = 50;

/** Numbers of the index for each request: offset and length in bytes, number of the line, input tokens. */
export const INDEX_WIDTH = 4;

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

const BOM_MESSAGE =
  "Validation failed: A valid model deployment name couldn't be extracted from the input file. Please ensure that each row in the input file has a valid deployment name specified in the 'model' field, and that the deployment name is consistent across all rows.";

/** What a line must have, by operation. */
const REQUIRED: Readonly<Record<string, string>> = {
  '/chat/completions': 'messages',
  '/responses': 'input',
  '/embeddings': 'input',
  '/completions': 'prompt',
};

/** Texts to embed in one batch, however many requests they are in. */
const MAX_EMBEDDING_INPUTS = 50_000;

/**
 * Reads a batch input file once, in the memory of its ids: finds every line that the service would
 * refuse, counts tokens, and writes an index beside the file: for each request where its line lies and
 * its input tokens, each an unsigned 32-bit number, little-endian.
 */
export async function scanFile(
  path: string,
  indexPath: string,
  switches: Switches,
  signal?: AbortSignal,
): Promise<FileFacts> {
  const scan = new Scan(switches);
  const file = await open(path, 'r');
  try {
    // The counter's tables depend on the model, which the first line names.
    const counter = await promptCounter(await firstModel(path));
    await eachLine(file, (line, bytes) => scan.take(line, bytes, counter), signal);
  } finally {
    await file.close();
  }
  await writeFile(indexPath, scan.index(), { mode: 0o600 });
  return scan.facts();
}

/** The parsed form of a line that passed validation. */
export interface RequestLine {
  readonly custom_id: string;
  readonly method: string;
  readonly url: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The operation that a line's url names, without `/v1`. */
export function operationOf(url: string): string {
  return url.startsWith('/v1/') ? url.slice(3) : url;
}

class Scan {
  readonly #switches: Switches;
  readonly #ids = new Set<string>();
  readonly #errors: ValidationError[] = [];
  #index = new Uint32Array(INDEX_WIDTH * 1024);
  #indexed = 0;
  #offset = 0;
  #lines = 0;
  #requests = 0;
  #tokens = 0;
  #characters = 0;
  #inputs = 0;
  #model: string | null = null;
  #url: string | null = null;

  constructor(switches: Switches) {
    this.#switches = switches;
  }

  take(bytesOfLine: Buffer, bytes: number, counter: PromptCounter): void {
    const offset = this.#offset;
    this.#offset += bytes;
    this.#lines += 1;
    if (isBlank(bytesOfLine)) return;
    const most = this.#switches.maxRequestsPerFile;
    this.#requests += 1;
    if (this.#requests > most) {
      // Nobody will answer this file: what is left of it is only counted, or its ids fill the memory.
      if (this.#requests === most + 1) this.#tooMany(most);
      return;
    }
    const tokens = this.#read(bytesOfLine, counter);
    this.#tokens += tokens;
    this.#remember([offset, bytes, this.#lines, tokens]);
  }

  /** Comes before what the lines have of errors: it is always told. */
  #tooMany(most: number): void {
    const message = `The number of requests in the file exceeds the maximum of ${most}.`;
    this.#errors.unshift({ code: 'too_many_tasks', message, line: null, param: null });
  }

  /** Validates a line; its tokens, or 0 when it cannot be read. */
  #read(line: Buffer, counter: PromptCounter): number {
    let text = line.toString('utf8');
    if (this.#lines === 1 && line.subarray(0, 3).equals(BOM)) {
      if (this.#switches.refuseBom) {
        this.#fail('invalid_request', BOM_MESSAGE, null, null);
        return 0;
      }
      text = text.slice(1);
    }
    const request = parse(text);
    if (request === undefined) {
      this.#fail('invalid_json_line', 'This line is not parseable as valid JSON.');
      return 0;
    }
    if (!isObject(request)) {
      this.#fail('invalid_request', 'The line is not a JSON object.');
      return 0;
    }
    if (!this.#envelope(request)) return 0;
    const body = request.body;
    if (!isObject(body)) return 0;
    if (this.#url === '/embeddings') this.#addInputs(body.input);
    const size = counter.measure(this.#url ?? '', body);
    this.#characters += size.characters;
    return size.tokens;
  }

  #addInputs(input: unknown): void {
    const before = this.#inputs;
    this.#inputs += Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1;
    if (before > MAX_EMBEDDING_INPUTS || this.#inputs <= MAX_EMBEDDING_INPUTS) return;
    const message = `The number of embedding inputs in the file exceeds the maximum of ${MAX_EMBEDDING_INPUTS}.`;
    this.#errors.unshift({ code: 'too_many_tasks', message, line: null, param: null });
  }

  /** The parts of a line that every operation shares. Only the first fault of a line is told. */
  #envelope(request: Readonly<Record<string, unknown>>): boolean {
    const { custom_id: id, method, url, body } = request;
    if (typeof id !== 'string' || id === '') return this.#lacks('custom_id');
    if (this.#ids.has(id)) {
      return this.#fail(
        'duplicate_custom_id',
        `The custom_id of this line is used by an earlier line.`,
        'custom_id',
      );
    }
    this.#ids.add(id);
    if (method !== 'POST') return this.#lacks('method');
    if (typeof url !== 'string') return this.#lacks('url');
    if (!isObject(body)) return this.#lacks('body');
    const operation = operationOf(url);
    this.#url ??= operation;
    if (operation !== this.#url || !this.#switches.endpoints.includes(operation)) {
      return this.#fail(
        'url_mismatch',
        'The url of this line does not match the other lines or the endpoint of the batch.',
        'url',
      );
    }
    const { model } = body;
    if (typeof model !== 'string' || model === '') return this.#lacks('model', 'body.model');
    this.#model ??= model;
    if (model !== this.#model) {
      return this.#fail(
        'model_mismatch',
        'The model of this line differs from the other lines.',
        'body.model',
      );
    }
    const required = REQUIRED[operation];
    const value = required === undefined ? true : body[required];
    const there = required === 'messages' ? Array.isArray(value) : value !== undefined;
    if (!there) return this.#lacks(required ?? '', `body.${required}`);
    return true;
  }

  #lacks(name: string, param = name): false {
    return this.#fail(this.#switches.badLineCode, `Missing required parameter: '${name}'.`, param);
  }

  #fail(
    code: string,
    message: string,
    param: string | null = null,
    line: number | null = this.#lines,
  ): false {
    if (this.#errors.length < MAX_ERRORS) {
      const told = this.#switches.errorLines;
      this.#errors.push({
        code,
        message,
        line: told ? line : null,
        param: told ? param : null,
      });
    }
    return false;
  }

  #remember(entry: readonly number[]): void {
    const at = this.#indexed * INDEX_WIDTH;
    this.#indexed += 1;
    if (at === this.#index.length) {
      const larger = new Uint32Array(this.#index.length * 2);
      larger.set(this.#index);
      this.#index = larger;
    }
    this.#index.set(entry, at);
  }

  index(): Uint8Array {
    return new Uint8Array(this.#index.buffer, 0, this.#indexed * INDEX_WIDTH * 4);
  }

  facts(): FileFacts {
    return {
      requests: this.#requests,
      tokens: this.#tokens,
      characters: this.#characters,
      model: this.#model,
      url: this.#url,
      errors: this.#errors,
    };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The model that the first line names, or '' when it cannot be read. */
async function firstModel(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(64 * 1024);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const found = /"model"\s*:\s*"([^"\\]{1,200})"/.exec(head.toString('utf8', 0, bytesRead));
    return found?.[1] ?? '';
  } finally {
    await file.close();
  }
}
