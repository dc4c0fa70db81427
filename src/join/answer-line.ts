import {
  decodeString,
  hasEscape,
  isNull,
  KeySet,
  OPEN_BRACE,
  QUOTE,
  skipBlanks,
  skipValue,
  walkObject,
} from './json-bytes.ts';

/**
 * Where the parts of one answer lie in its buffer, found by a walk over the top-level keys that also
 * checks the whole line. One instance is filled again and again; spans are offsets, -1 when absent.
 * As in JSON.parse, the last of several equal keys counts.
 */
export class AnswerLine {
  /** The custom_id's text without its quotes; -1 when there is no string under that key. */
  idStart = -1;
  idEnd = -1;
  idEscaped = false;
  /** The response object; -1 when it is null, absent or not an object. */
  responseStart = -1;
  responseEnd = -1;
  /** The response's status_code, or -1 when it has none. */
  status = -1;
  /** @internal Where that value begins; -1 when it has none. */
  statusAt = -1;
  /** Whether the line's own `error` is something other than null. */
  hasError = false;
  /** Tokens that the body's `usage` reports. */
  readonly usage = { input: 0, cachedInput: 0, output: 0, reasoning: 0 };
  /** @internal Where those values begin; -1 for what is not reported. */
  readonly usageAt = { input: -1, cachedInput: -1, output: -1, reasoning: -1 };

  /** A 2xx with no error. */
  get ok(): boolean {
    return this.responseStart !== -1 && this.status >= 200 && this.status < 300 && !this.hasError;
  }

  /**
   * Takes the line apart that runs from `start` to the newline at `end`. False when it is not one
   * whole JSON object with a custom_id.
   */
  read(bytes: Buffer, start: number, end: number): boolean {
    this.idStart = -1;
    this.hasError = false;
    this.#forgetResponse();
    const open = skipBlanks(bytes, start);
    if (bytes[open] !== OPEN_BRACE) return false;
    const close = walkObject(bytes, open, visitLine, this);
    return close !== -1 && skipBlanks(bytes, close) === end && this.idStart !== -1;
  }

  /** The custom_id's text as the client wrote it. */
  id(bytes: Buffer): Buffer {
    if (!this.idEscaped) return bytes.subarray(this.idStart, this.idEnd);
    return Buffer.from(decodeString(bytes, this.idStart, this.idEnd), 'utf8');
  }

  /** @internal */
  setId(bytes: Buffer, value: number, end: number): void {
    const isString = bytes[value] === QUOTE;
    this.idStart = isString ? value + 1 : -1;
    this.idEnd = end - 1;
    this.idEscaped = isString && hasEscape(bytes, this.idStart, this.idEnd);
  }

  /** @internal */
  readResponse(bytes: Buffer, value: number): number {
    this.#forgetResponse();
    if (bytes[value] !== OPEN_BRACE) return skipValue(bytes, value);
    const end = walkObject(bytes, value, visitResponse, this);
    this.responseStart = value;
    this.responseEnd = end;
    return end;
  }

  /** @internal */
  forgetUsage(): void {
    this.usage.input = 0;
    this.usage.cachedInput = 0;
    this.usage.output = 0;
    this.usage.reasoning = 0;
    this.usageAt.input = -1;
    this.usageAt.cachedInput = -1;
    this.usageAt.output = -1;
    this.usageAt.reasoning = -1;
  }

  #forgetResponse(): void {
    this.responseStart = -1;
    this.responseEnd = -1;
    this.status = -1;
    this.statusAt = -1;
    this.forgetUsage();
  }
}

/** The counts of tokens. */
export const COUNTS = ['input', 'cachedInput', 'output', 'reasoning'] as const;

const LINE_KEYS = new KeySet(['custom_id', 'response', 'error']);

function visitLine(
  bytes: Buffer,
  keyStart: number,
  keyEnd: number,
  value: number,
  line: AnswerLine,
): number {
  const key = LINE_KEYS.find(bytes, keyStart, keyEnd);
  if (key === 1) return line.readResponse(bytes, value);
  const end = skipValue(bytes, value);
  if (end === -1) return -1;
  if (key === 0) line.setId(bytes, value, end);
  else if (key === 2) line.hasError = !isNull(bytes, value);
  return end;
}

const RESPONSE_KEYS = new KeySet(['body', 'status_code']);

function visitResponse(
  bytes: Buffer,
  keyStart: number,
  keyEnd: number,
  value: number,
  line: AnswerLine,
): number {
  const key = RESPONSE_KEYS.find(bytes, keyStart, keyEnd);
  if (key === 0) {
    line.forgetUsage();
    if (bytes[value] === OPEN_BRACE) return walkObject(bytes, value, visitBody, line);
  }
  const end = skipValue(bytes, value);
  if (end === -1 || key !== 1) return end;
  line.status = readStatus(bytes, value, end);
  line.statusAt = value;
  return end;
}

const BODY_KEYS = new KeySet(['usage']);

function visitBody(
  bytes: Buffer,
  keyStart: number,
  keyEnd: number,
  value: number,
  line: AnswerLine,
): number {
  if (BODY_KEYS.find(bytes, keyStart, keyEnd) === -1) return skipValue(bytes, value);
  line.forgetUsage();
  if (bytes[value] !== OPEN_BRACE) return skipValue(bytes, value);
  return walkObject(bytes, value, visitUsage, line);
}

// Chat completions and embeddings say prompt and completion; responses say input and output.
const USAGE_KEYS = new KeySet([
  'prompt_tokens',
  'input_tokens',
  'completion_tokens',
  'output_tokens',
  'prompt_tokens_details',
  'input_tokens_details',
  'completion_tokens_details',
  'output_tokens_details',
]);

function visitUsage(
  bytes: Buffer,
  keyStart: number,
  keyEnd: number,
  value: number,
  line: AnswerLine,
): number {
  const key = USAGE_KEYS.find(bytes, keyStart, keyEnd);
  if (key >= 4 && bytes[value] === OPEN_BRACE) {
    return walkObject(bytes, value, visitDetails, line);
  }
  const end = skipValue(bytes, value);
  if (end === -1) return -1;
  if (key === 0 || key === 1) setCount(line, 'input', bytes, value, end);
  else if (key === 2 || key === 3) setCount(line, 'output', bytes, value, end);
  return end;
}

const DETAIL_KEYS = new KeySet(['cached_tokens', 'reasoning_tokens']);

function visitDetails(
  bytes: Buffer,
  keyStart: number,
  keyEnd: number,
  value: number,
  line: AnswerLine,
): number {
  const key = DETAIL_KEYS.find(bytes, keyStart, keyEnd);
  const end = skipValue(bytes, value);
  if (end === -1) return -1;
  if (key === 0) setCount(line, 'cachedInput', bytes, value, end);
  else if (key === 1) setCount(line, 'reasoning', bytes, value, end);
  return end;
}

function setCount(
  line: AnswerLine,
  key: (typeof COUNTS)[number],
  bytes: Buffer,
  value: number,
  end: number,
): void {
  line.usage[key] = readCount(bytes, value, end);
  line.usageAt[key] = value;
}

/** A number, or a number in quotes; anything else is -1. */
export function readStatus(bytes: Buffer, value: number, end: number): number {
  const status =
    bytes[value] === QUOTE
      ? Number.parseInt(bytes.toString('latin1', value + 1, end - 1), 10)
      : Math.trunc(Number(bytes.toString('latin1', value, end)));
  return Number.isNaN(status) || isNull(bytes, value) ? -1 : status;
}

/** A count of tokens; what is not a finite number counts as none. */
export function readCount(bytes: Buffer, value: number, end: number): number {
  let count = 0;
  for (let at = value; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) {
      const other = Number(bytes.toString('latin1', value, end));
      return Number.isFinite(other) ? other : 0;
    }
    count = count * 10 + digit;
  }
  return count;
}
