import type { BatchObject } from '../../src/core/batch.ts';
import { ServiceError } from '../../src/core/errors.ts';
import type { BatchService, Target } from '../../src/core/service.ts';

/** What goes wrong between the client and the service. Each is asked before or after a call. */
export interface Faults {
  /** The batch is made, its answer never comes. */
  loseCreateAnswer?: (made: BatchObject) => boolean;
  /** The create never reaches the service, and the client cannot know. */
  loseCreate?: () => boolean;
  /** The service's refusal of a create; null lets it through. */
  refuseCreate?: () => ServiceError | null;
  /** The file is stored, the answer never comes. */
  loseUploadAnswer?: () => boolean;
  /** Whether the list shows the batch yet. */
  visible?: (batch: BatchObject) => boolean;
}

/** The target with a faulty line to it. */
export function lossy(target: Target, faults: Faults): Target {
  const inner = target.service;
  const service: BatchService = {
    resource: inner.resource,
    dialect: inner.dialect,
    getFile: (id, signal) => inner.getFile(id, signal),
    listFiles: (signal) => inner.listFiles(signal),
    deleteFile: (id, signal) => inner.deleteFile(id, signal),
    downloadFile: (id, offset, signal) => inner.downloadFile(id, offset, signal),
    getBatch: (id, signal) => inner.getBatch(id, signal),
    cancelBatch: (id, signal) => inner.cancelBatch(id, signal),
    close: () => inner.close(),
    async uploadFile(upload, signal) {
      const file = await inner.uploadFile(upload, signal);
      if (faults.loseUploadAnswer?.() === true) throw lost();
      return file;
    },
    async createBatch(batch, signal) {
      const refusal = faults.refuseCreate?.() ?? null;
      if (refusal !== null) throw refusal;
      if (faults.loseCreate?.() === true) throw lost();
      const created = await inner.createBatch(batch, signal);
      if (faults.loseCreateAnswer?.(created.batch) === true) throw lost();
      return created;
    },
    async *listBatches(signal) {
      for await (const batch of inner.listBatches(signal)) {
        if (faults.visible?.(batch) !== false) yield batch;
      }
    },
  };
  return { ...target, service };
}

function lost(): ServiceError {
  return new ServiceError('connection_lost', 'the connection was reset', {
    status: null,
    outcome: 'unknown',
    retryable: true,
  });
}

export function refusal(status: number, code: string): ServiceError {
  return new ServiceError(code, `${code} (test)`, {
    status,
    outcome: 'refused',
    retryable: status === 429,
  });
}

/** True for the first `n` calls. */
export function first(n: number): () => boolean {
  let left = n;
  return () => left-- > 0;
}
