import { parentPort, workerData } from 'node:worker_threads';
import { errorCode, errorMessage, MillraceError } from '../../core/errors.ts';
import { giveTables } from '../../tokens/tables.ts';
import { PartitionSealer } from '../partition-sealer.ts';
import { openRequest } from '../request.ts';
import { openDescribed } from '../sources.ts';
import type { FromWorker, ToWorker, WorkerFailure, WorkerTask } from './messages.ts';

// The entry of a worker thread: prepares one partition after another as it is told.

const { settings, request, baseModel, descriptions, tables } = workerData as WorkerTask;
if (tables !== null) giveTables(tables);
const abort = new AbortController();
let recorded: PromiseWithResolvers<void> | null = null;
// Made while the sources are still cut; a failure is told to who asks for the first partition.
const sealer = openSealer();
sealer.catch(() => undefined);

parentPort?.on('message', (message: ToWorker) => {
  if (message.kind === 'recorded') {
    recorded?.resolve();
  } else if (message.kind === 'abort') {
    abort.abort();
    recorded?.reject(abort.signal.reason);
  } else {
    void seal(message).then(tell, (error: unknown) => {
      tell({ kind: 'failed', failure: failureOf(error) });
    });
  }
});

async function seal({
  partition,
  row,
  head,
}: Extract<ToWorker, { kind: 'seal' }>): Promise<FromWorker> {
  const progress = await (await sealer).seal(partition, {
    row,
    head,
    signal: abort.signal,
    onSeal(shard, sealed, found) {
      recorded = Promise.withResolvers();
      tell({ kind: 'sealed', shard, progress: sealed, head: found });
      return recorded.promise;
    },
  });
  return { kind: 'done', progress };
}

async function openSealer(): Promise<PartitionSealer> {
  if (request === null) throw new MillraceError('worker_failed', 'a worker needs a request');
  const sources = descriptions.map((each) => (each === null ? null : openDescribed(each)));
  const opened = new PartitionSealer(settings, sources, await openRequest(request), baseModel);
  await opened.warm();
  return opened;
}

function tell(message: FromWorker): void {
  parentPort?.postMessage(message);
}

function failureOf(error: unknown): WorkerFailure {
  return {
    name: error instanceof Error ? error.name : 'Error',
    code: errorCode(error),
    message: errorMessage(error),
    retryable: error instanceof MillraceError && error.retryable,
    stack: error instanceof Error ? error.stack : undefined,
  };
}
