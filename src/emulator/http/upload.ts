import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import type { CallAction } from '../faults/rules.ts';
import type { Files, ReceivedFile } from '../files.ts';
import type { FileRecord } from '../records.ts';
import { type State, workPath } from '../state.ts';
import { WireError } from './errors.ts';
import { CutConnection, FaultAnswer } from './fault-hooks.ts';
import { reaches } from './guard.ts';
import { watchPartType } from './part-type.ts';

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
    // What is left of the body must come off the wire, or the next call on this connection waits.
    request.raw.unpipe();
    request.raw.resume();
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
  const isTyped = watchPartType(request.raw);
  for await (const part of request.parts({ limits })) {
    if (part.type === 'file') {
      filename = part.filename ?? '';
      bytes = await store(part, path, request);
    } else {
      fields.set(part.fieldname, String(part.value));
    }
  }
  if (bytes > switches.maxFileBytes) throw new WireError('fileTooLarge');
  const purpose = fields.get('purpose');
  if (purpose === undefined) throw new WireError('missingParameter', { param: 'purpose' });
  if (filename === null) throw new WireError('missingParameter', { param: 'file' });
  if (purpose !== 'batch' || !reaches(request, switches.batchFrom))
    throw new WireError('invalidParameter', { param: 'purpose' });
  if (!filename.endsWith('.jsonl')) throw new WireError('wrongSuffix');
  if (!isTyped()) throw new WireError('noFileType');
  const heeded = reaches(request, switches.expiresAfterFrom);
  const lifeSeconds = heeded ? expiryOf(fields, switches.expiresAfter) : null;
  const file: ReceivedFile = { filename, bytes, path, purpose, lifeSeconds };
  return files.add(file);
}

/** Bytes received; one more than the limit when there were too many. */
async function store(part: MultipartFile, path: string, request: FastifyRequest): Promise<number> {
  const sink = createWriteStream(path, { flags: 'w', mode: 0o600, highWaterMark: 1024 * 1024 });
  const fault = request.actions.find(
    (action) => (action.do === 'answer' || action.do === 'cut-before') && action.afterBytes,
  );
  if (fault === undefined) await pipeline(part.file, sink);
  else await pipeline(part.file, stoppedBy(fault, request), sink);
  return sink.bytesWritten;
}

/** Lets the bytes pass until a fault has seen enough of them. */
function stoppedBy(fault: CallAction, request: FastifyRequest) {
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let seen = 0;
    for await (const block of source) {
      seen += block.length;
      if (fault.do === 'cut-before' && seen >= (fault.afterBytes ?? 0)) {
        request.raw.socket.destroy();
        throw new CutConnection('cut by a fault');
      }
      if (fault.do === 'answer' && seen >= (fault.afterBytes ?? 0)) throw new FaultAnswer(fault);
      yield block;
    }
  };
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
