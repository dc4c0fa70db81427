import { createHash } from 'node:crypto';
import type { FileObject } from '../../core/batch.ts';
import { errorCode, MillraceError, ServiceError } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoints.ts';
import type { RequestSpec, Shard } from '../../core/job.ts';
import type { Target, Upload } from '../../core/service.ts';
import { lineHead } from '../../shards/format.ts';
import { splicedLength, spliceHead } from '../../shards/splice.ts';
import { giveDirectBlock, readDirect } from '../../streams/direct.ts';
import { putBack } from '../attempts.ts';
import { type Context, jobRow, mayGoOut, type Step, targetNamed } from '../context.ts';
import { fileNameOf } from '../listing.ts';
import { deleteOrphans } from '../orphans.ts';

/**
 * Sends the shard's file. When an upload may have begun before (state `uploading`), the file is
 * looked for first, by its name and size, and adopted.
 */
export const upload: Step = async (context, task, signal) => {
  const begun = await context.store.transaction(async (tx) => {
    const shard = await tx.shard(task.id);
    if (shard?.state !== 'granted' && shard?.state !== 'uploading') {
      await tx.doneTask(task);
      return null;
    }
    const job = await jobRow(tx);
    if (!(await mayGoOut(tx, context, job, shard))) {
      await tx.doneTask(task);
      await putBack(tx, context, shard, { code: job.state, readyAt: 0 });
      return null;
    }
    const request = job.spec.request;
    if (request === null) throw new MillraceError('no_job', 'the job has no request to send');
    const fresh = shard.state === 'granted';
    const moved = fresh
      ? await tx.moveShard(shard.name, shard.version, { state: 'uploading' })
      : shard;
    return { shard: moved, request, fresh };
  });
  if (begun === null) return;
  const { shard, request, fresh } = begun;
  const target = targetNamed(context, shard.target);
  const read: Buffer[] = [];
  const sending = shardUpload(context, shard, target, request, read);
  let file: FileObject | undefined;
  try {
    if (!fresh) file = await findUpload(target, sending, signal);
    failpoint('upload.before');
    file ??= await target.service.uploadFile(sending, signal);
    // The service has all of it. A connection that was cut may still look at its blocks.
    for (const block of read) giveDirectBlock(block);
    failpoint('upload.after');
  } catch (error) {
    if (!isFileQuota(error)) throw error;
    await deleteOrphans(context, target.service, signal);
    await context.store.transaction(async (tx) => {
      await tx.doneTask(task);
      const readyAt = context.clock.now() + context.settings.pollIntervalMs;
      await putBack(tx, context, shard, { code: 'file_quota', readyAt });
      await tx.putTask('survey', target.service.resource, context.clock.now());
    });
    return;
  }
  const { id } = file;
  await context.store.transaction(async (tx) => {
    await tx.doneTask(task);
    await tx.moveShard(shard.name, shard.version, { state: 'uploaded', fileId: id });
    await tx.updateHold(shard.name, shard.attempt, { fileId: id });
    await tx.putTask('submit', shard.name, context.clock.now());
  });
};

/** `read` gets the blocks of the latest try once nothing is read into them any more. */
function shardUpload(
  context: Context,
  shard: Shard,
  target: Target,
  request: RequestSpec,
  read: Buffer[],
): Upload {
  const { dialect } = target.service;
  const { endpoint, model } = request;
  const from = lineHead(endpoint, model);
  const to = lineHead(endpoint, target.deployment ?? model, dialect.lineUrlPrefix);
  return {
    name: fileNameOf(context, shard, target.name),
    bytes: splicedLength(shard.bytes, shard.requests, from, to),
    open: ({ shared = false } = {}) => {
      read.length = 0;
      const blocks = verified(context.directory.requests(shard.name), shard, read);
      return spliceHead(shared ? blocks : copies(blocks), from, to);
    },
  };
}

async function* copies(blocks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const block of blocks) yield Buffer.from(block);
}

/** The sealed file; fails before its last block is out when a hand has changed it. */
async function* verified(
  path: string,
  { bytes, sha256 }: Shard,
  read: Buffer[],
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  const room: Buffer[] = [];
  let length = 0;
  try {
    for await (const block of readDirect(path, room)) {
      length += block.length;
      if (length > bytes) throw changed(path, NOT_SEALED);
      hash.update(block);
      if (length === bytes && hash.digest('hex') !== sha256) throw changed(path, NOT_SEALED);
      yield block;
    }
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    throw changed(path, 'is gone', error);
  }
  if (length < bytes) throw changed(path, NOT_SEALED);
  read.push(...room);
}

const NOT_SEALED = 'is not what was sealed';

function changed(path: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'shard_changed',
    `${path} ${what}: put the file back as it was, or prepare the job anew in another directory`,
    { cause },
  );
}

async function findUpload(
  target: Target,
  sending: Upload,
  signal: AbortSignal,
): Promise<FileObject | undefined> {
  for await (const file of target.service.listFiles(signal)) {
    if (file.name === sending.name && (file.bytes === null || file.bytes === sending.bytes)) {
      return file;
    }
  }
  return undefined;
}

function isFileQuota(error: unknown): boolean {
  return error instanceof ServiceError && error.status === 400 && error.code === 'quotaExceeded';
}
