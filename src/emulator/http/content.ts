import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CallAction } from '../faults/rules.ts';
import type { FileRecord } from '../records.ts';
import { contentPath, type State } from '../state.ts';
import { WireError } from './errors.ts';

const BLOCK_BYTES = 256 * 1024; // 256 KiB

/** Streams a file's bytes, or a range of them where the profile has ranges. */
export function sendContent(
  request: FastifyRequest,
  reply: FastifyReply,
  file: FileRecord,
  state: State,
): FastifyReply {
  if (!file.content) throw new WireError('fileNotFound', { id: file.id });
  const range = state.options.switches.range ? rangeOf(request.headers.range, file.bytes) : null;
  if (range === 'unsatisfiable') {
    reply.header('content-range', `bytes */${file.bytes}`);
    throw new WireError('badRange');
  }
  const { start, end } = range ?? { start: 0, end: file.bytes - 1 };
  const faults = request.actions;
  const short = faults.some(({ do: action }) => action === 'short-body');
  reply.header('content-type', 'application/octet-stream');
  if (!short) reply.header('content-length', end - start + 1);
  if (state.options.switches.range) reply.header('accept-ranges', 'bytes');
  if (range !== null) {
    reply.status(206).header('content-range', `bytes ${start}-${end}/${file.bytes}`);
  }
  if (file.bytes === 0) return reply.send('');
  const path = contentPath(state, file.id);
  const bytes = createReadStream(path, { start, end, highWaterMark: BLOCK_BYTES });
  return reply.send(faults.length === 0 ? bytes : Readable.from(troubled(bytes, faults, request)));
}

/** The bytes with the script's troubles: slow, ended early, or cut with the connection. */
async function* troubled(
  bytes: AsyncIterable<Buffer>,
  faults: readonly CallAction[],
  request: FastifyRequest,
): AsyncGenerator<Buffer> {
  let sent = 0;
  const cut = faults.find((fault) => fault.do === 'cut-body');
  const short = faults.find((fault) => fault.do === 'short-body');
  const slow = faults.find((fault) => fault.do === 'slow-body');
  const most = Math.min(cut?.afterBytes ?? Infinity, short?.bytes ?? Infinity);
  const piece =
    slow === undefined ? BLOCK_BYTES : Math.max(1, Math.floor(slow.bytesPerSecond / 10));
  for await (const block of bytes) {
    for (let at = 0; at < block.length; at += piece) {
      const part = block.subarray(at, Math.min(at + piece, block.length, at + most - sent));
      if (part.length > 0) yield part;
      sent += part.length;
      if (sent >= most) {
        // What was written has to be on its way before the connection is cut.
        if (cut !== undefined) {
          await delay(20);
          request.raw.socket.destroy();
        }
        return;
      }
      if (slow !== undefined) await delay(100);
    }
  }
}

/** A single range of bytes; null where there is none that is understood, which means the whole. */
function rangeOf(
  header: string | undefined,
  bytes: number,
): { start: number; end: number } | 'unsatisfiable' | null {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (found === null || (found[1] === '' && found[2] === '')) return null;
  const last = bytes - 1;
  if (found[1] === '') {
    const length = Number(found[2]);
    if (length === 0 || bytes === 0) return 'unsatisfiable';
    return { start: Math.max(0, bytes - length), end: last };
  }
  const start = Number(found[1]);
  const end = found[2] === '' ? last : Math.min(last, Number(found[2]));
  if (start > last) return 'unsatisfiable';
  return end < start ? null : { start, end };
}
