import { stat } from 'node:fs/promises';
import type { Endpoint } from '../core/request.ts';
import { readBlocks } from '../streams/blocks.ts';
import { LineSplitter, type Lines } from '../streams/lines.ts';
import { endpointOfUrl } from './endpoint.ts';
import { embeddingInputs, MAX_EMBEDDING_INPUTS } from './inputs.ts';
import { isObject } from './json.ts';
import { validateRequestBody } from './validate-body.ts';

/** What the service would say of a request file, in its own codes. */
export interface FileError {
  /** Counts from 1; null for the file as a whole. */
  readonly line: number | null;
  readonly code: string;
  /** Never holds text of the file. */
  readonly message: string;
  /** Where in the line, as the service writes it, or null. */
  readonly param: string | null;
}

export interface FileLimits {
  readonly maxRequests: number;
  readonly maxBytes: number;
}

/** A longer line cannot be a string in this runtime; no service takes it either. */
const MAX_LINE_BYTES = 256 * 1024 * 1024; // 256 MiB

/**
 * Checks a request file as the service does when a batch is made of it, and yields what it finds,
 * line by line, in constant memory beside the ids of one file. The first line's url and model are
 * those that the others are held to.
 */
export async function* validateRequestFile(
  path: string,
  limits: FileLimits,
): AsyncGenerator<FileError, void, undefined> {
  const { size } = await stat(path);
  if (size > limits.maxBytes) {
    yield whole(
      'file_too_large',
      `the file has ${size} bytes; the service takes ${limits.maxBytes}`,
    );
  }
  const splitter = new LineSplitter({ maxLineBytes: MAX_LINE_BYTES });
  const checker = new FileChecker(limits);
  for await (const block of readBlocks(path)) yield* checker.lines(splitter.push(block));
  yield* checker.lines(splitter.flush());
  yield* checker.end();
}

class FileChecker {
  readonly #limits: FileLimits;
  readonly #ids = new Set<string>();
  #line = 0;
  #requests = 0;
  /** Texts to embed. */
  #inputs = 0;
  /** A blank line, which is an error only when another line follows it. */
  #blank: number | null = null;
  #endpoint: Endpoint | null = null;
  #model: string | null = null;

  constructor(limits: FileLimits) {
    this.#limits = limits;
  }

  *lines(lines: Lines): Generator<FileError> {
    for (let i = 0; i < lines.count; i++) {
      const start = lines.bounds[i * 2] ?? 0;
      const end = lines.bounds[i * 2 + 1] ?? -1;
      this.#line++;
      if (end === -1) yield this.#wrong('invalid_json_line', 'the line is too long');
      else yield* this.#check(lines.data.subarray(start, end));
    }
  }

  *end(): Generator<FileError> {
    if (this.#requests === 0) {
      yield whole('empty_file', 'the input file is empty; it must hold at least one request');
    }
    if (this.#requests > this.#limits.maxRequests) {
      yield whole(
        'too_many_tasks',
        `the file holds ${this.#requests} requests; the service takes ${this.#limits.maxRequests}`,
      );
    }
    if (this.#inputs > MAX_EMBEDDING_INPUTS) {
      yield whole(
        'too_many_tasks',
        `the file holds ${this.#inputs} texts to embed; the service takes ${MAX_EMBEDDING_INPUTS}`,
      );
    }
  }

  *#check(bytes: Buffer): Generator<FileError> {
    let line = bytes;
    if (this.#line === 1 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
      yield this.#wrong(
        'model_not_found',
        'the file begins with a byte order mark, so the service cannot find a deployment name in it; save it as UTF-8 without one',
      );
      line = bytes.subarray(3);
    }
    const text = line.toString();
    if (text.trim() === '') {
      this.#blank ??= this.#line;
      return;
    }
    if (this.#blank !== null) {
      yield { ...whole('invalid_json_line', 'the line is blank'), line: this.#blank };
      this.#blank = null;
    }
    this.#requests++;
    const request = parse(text);
    if (!isObject(request)) {
      yield this.#wrong('invalid_json_line', 'the line is not a JSON object');
      return;
    }
    yield* this.#checkId(request.custom_id);
    if (request.method !== 'POST') {
      yield this.#wrong('invalid_request', 'method must be POST', 'method');
    }
    const endpoint = endpointOfUrl(request.url);
    yield* this.#checkUrl(endpoint);
    const error = validateRequestBody(endpoint ?? '/chat/completions', request.body);
    if (error !== null && (endpoint !== undefined || !NEEDS_ENDPOINT.test(error.param))) {
      yield this.#wrong(error.code, error.message, error.param);
    }
    if (!isObject(request.body)) return;
    this.#inputs += endpoint === undefined ? 0 : embeddingInputs(endpoint, request.body.input);
    yield* this.#checkModel(request.body.model);
  }

  *#checkId(id: unknown): Generator<FileError> {
    if (typeof id !== 'string' || id === '') {
      yield this.#wrong(
        'invalid_request',
        'custom_id must be a string that is not empty',
        'custom_id',
      );
    } else if (this.#ids.has(id)) {
      yield this.#wrong(
        'duplicate_custom_id',
        'an earlier line has the same custom_id',
        'custom_id',
      );
    } else if (this.#ids.size < this.#limits.maxRequests) {
      this.#ids.add(id);
    }
  }

  *#checkUrl(endpoint: Endpoint | undefined): Generator<FileError> {
    if (endpoint === undefined) {
      yield this.#wrong('invalid_request', 'url names no endpoint of a batch', 'url');
      return;
    }
    this.#endpoint ??= endpoint;
    if (endpoint !== this.#endpoint) {
      yield this.#wrong('url_mismatch', 'url is not that of the first line', 'url');
    }
  }

  *#checkModel(model: unknown): Generator<FileError> {
    if (typeof model !== 'string' || model === '') return;
    this.#model ??= model;
    if (model !== this.#model) {
      yield this.#wrong('model_mismatch', 'model is not that of the first line', 'body.model');
    }
  }

  #wrong(code: string, message: string, param: string | null = null): FileError {
    return { line: this.#line, code, message, param };
  }
}

/** What an unknown endpoint leaves unknown of a body. */
const NEEDS_ENDPOINT = /^body\.(messages|input)/;

function whole(code: string, message: string): FileError {
  return { line: null, code, message, param: null };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
