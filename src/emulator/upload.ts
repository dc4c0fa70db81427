import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { WireError } from './errors.ts';
import type { Files, ReceivedFile } from './files.ts';
import type { FileRecord } from './records.ts';
import { type State, workPath } from './state.ts';

let uploads = 0;

/** Takes a multipart upload: the file goes to disk as it comes, in constant memory. */
export async function receiveUpload(
  request: FastifyRequest,
  state: State,
  files: Files,
): Promise<FileRecord> {
  if (!request.isMultipart()) throw new WireError('badContentType');
  uploads += 1;
  const path = workPath(state, `upload-${process.pid}-${uploads}`);
  try {
    return await receive(request, state, files, path);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

async function receive(
  request: FastifyRequest,
  state: State,
  files: Files,
  path: string,
): Promise<FileRecord> {
  const { switches } = state.options;
  const fields = new Map<string, string>();
  let filename: string | null = null;
  let bytes = 0;
  const limits = {
    fileSize: switches.maxFileBytes + 1,
    fieldSize: 4096,
    fields: 20,
    files: 1,
    parts: 22,
  };
  for await (const part of request.parts({ limits })) {
    if (part.type === 'file') {
      filename = part.filename ?? '';
      bytes = await store(part, path);
    } else {
      fields.set(part.fieldname, String(part.value));
    }
  }
  if (bytes > switches.maxFileBytes) throw new WireError('fileTooLarge');
  const purpose = fields.get('purpose');
  if (purpose === undefined) throw new WireError('missingParameter', { param: 'purpose' });
  if (filename === null) throw new WireError('missingParameter', { param: 'file' });
  if (purpose !== 'batch') throw new WireError('invalidParameter', { param: 'purpose' });
  if (!filename.endsWith('.jsonl')) throw new WireError('wrongSuffix');
  const lifeSeconds = expiryOf(fields, switches.expiresAfter);
  const file: ReceivedFile = { filename, bytes, path, purpose, lifeSeconds };
  files.checkQuota(lifeSeconds !== null);
  return files.add(file);
}

/** Bytes received; one more than the limit when there were too many. */
async function store(part: MultipartFile, path: string): Promise<number> {
  const sink = createWriteStream(path, { flags: 'w', mode: 0o600, highWaterMark: 1024 * 1024 });
  await pipeline(part.file, sink);
  return sink.bytesWritten;
}

/** `expires_after` in its dotted and its bracketed spelling. */
function expiryOf(
  fields: ReadonlyMap<string, string>,
  [least, most]: readonly [number, number],
): number | null {
  const seconds = fields.get('expires_after.seconds') ?? fields.get('expires_after[seconds]');
  const anchor = fields.get('expires_after.anchor') ?? fields.get('expires_after[anchor]');
  if (seconds === undefined && anchor === undefined) return null;
  if (anchor !== 'created_at') {
    throw new WireError('invalidParameter', { param: 'expires_after.anchor' });
  }
  const value = Number(seconds);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new WireError('invalidParameter', { param: 'expires_after.seconds' });
  }
  return value;
}
