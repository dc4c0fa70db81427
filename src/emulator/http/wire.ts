import type { Switches } from '../profiles.ts';
import { type BatchRecord, type BatchStatus, type FileRecord, TERMINAL } from '../records.ts';

/** A time as the profile writes it; `ms` since the epoch, or null. */
export function wireTime(
  ms: number | null | undefined,
  switches: Switches,
): string | number | null {
  if (ms === null || ms === undefined) return null;
  if (switches.timestamps === 'int') return Math.floor(ms / 1000);
  // Seven fraction digits, as .NET writes them.
  return new Date(ms).toISOString().replace('Z', '0000+00:00');
}

/** A file object. Its times are whole seconds in every profile. */
export function fileObject(file: FileRecord, { fileStatus }: Switches): Record<string, unknown> {
  return {
    status: fileStatus === 'set' ? file.status : null,
    bytes: file.bytes,
    purpose: file.purpose,
    filename: file.filename,
    ...(file.expiresAt === null ? {} : { expires_at: Math.floor(file.expiresAt / 1000) }),
    id: file.id,
    created_at: Math.floor(file.createdAt / 1000),
    object: 'file',
  };
}

/** A status as the profile writes it: `in_progress` or `InProgress`. */
export function wireStatus(status: BatchStatus, switches: Switches): string {
  if (switches.statusCase === 'lower') return status;
  return status.replace(/(^|_)([a-z])/g, (_whole, _bar, letter: string) => letter.toUpperCase());
}

/** A batch object. */
export function batchObject(batch: BatchRecord, switches: Switches): Record<string, unknown> {
  const { times } = batch;
  const time = (ms: number | null | undefined) => wireTime(ms, switches);
  const azureFailure = batch.status === 'failed' && switches.failedShape === 'completed_at';
  const noFile = switches.emptyIds === 'empty' ? '' : null;
  const runs = switches.inProgressAt === 'set' || azureFailure;
  return {
    id: batch.id,
    object: 'batch',
    ...(switches.endpointField === 'absent'
      ? {}
      : { endpoint: switches.endpointField === 'set' ? batch.endpoint : null }),
    ...(switches.batchUsage ? { model: batch.deployment } : {}),
    errors: errorsOf(batch, switches),
    input_file_id: batch.blob === undefined ? batch.inputFileId : null,
    completion_window: batch.completionWindow,
    status: wireStatus(batch.status, switches),
    output_file_id: batch.outputFileId ?? noFile,
    error_file_id: batch.errorFileId ?? noFile,
    created_at: time(batch.createdAt),
    in_progress_at: runs ? time(times.in_progress ?? (azureFailure ? times.failed : null)) : null,
    expires_at: time(batch.expiresAt),
    finalizing_at: time(times.finalizing ?? (azureFailure ? times.failed : null)),
    completed_at: time(times.completed ?? (azureFailure ? times.failed : null)),
    failed_at: azureFailure ? null : time(times.failed),
    expired_at: time(times.expired),
    cancelling_at: time(times.cancelling),
    cancelled_at: time(times.cancelled),
    request_counts: countsOf(batch, switches),
    ...(switches.batchUsage ? { usage: usageOf(batch) } : {}),
    metadata: batch.metadata,
    ...blobsOf(batch),
  };
}

/** Named once the batch is over, whether or not they were written. */
function blobsOf({ blob, status }: BatchRecord): Record<string, unknown> {
  if (blob === undefined) return {};
  const over = TERMINAL.has(status);
  return {
    input_blob: blob.input,
    output_blob: over ? blob.output : '',
    error_blob: over ? blob.error : '',
  };
}

function errorsOf(batch: BatchRecord, switches: Switches): unknown {
  if (batch.errors.length === 0) return null;
  const data = batch.errors.map(({ code, message, line, param }) =>
    switches.errorLines ? { code, message, line, param } : { code, message },
  );
  return { object: 'list', data };
}

function countsOf(batch: BatchRecord, switches: Switches): unknown {
  const unknown = switches.unknownCounts === 'null' ? null : 0;
  if (batch.status === 'failed' && switches.failedShape === 'completed_at') {
    return { total: batch.requests ?? unknown, completed: null, failed: null };
  }
  const refused = batch.status === 'failed' && batch.times.in_progress === undefined;
  if (batch.requests === null || refused) {
    return { total: unknown, completed: unknown, failed: unknown };
  }
  const { completed, failed } = batch.progress;
  return { total: batch.requests, completed, failed };
}

function usageOf(batch: BatchRecord): unknown {
  const { inputTokens, outputTokens } = batch.progress;
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  };
}
