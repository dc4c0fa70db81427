import type { Endpoint } from '../core/request.ts';
import type { Target } from '../core/service.ts';
import type { OpenService } from './service.ts';

/** How the store names the local service, whose port is another one after each start. */
export const LOCAL_RESOURCE = 'local';

/** A batch of the recorded service takes about ten minutes; this one takes about a second. */
const LOCAL_SPEED = 1000;

/** All that a request may be for: what a resource takes depends on its API, which is not the point here. */
const ENDPOINTS: readonly Endpoint[] = [
  '/chat/completions',
  '/responses',
  '/embeddings',
  '/completions',
];

/** Whether a batch is ready is cheap to ask on this machine. */
export const LOCAL_POLL_MS = 250; // 250 ms

/** A create is answered at once or never: it is not looked for for long. */
export const LOCAL_GRACE_MS = 3 * 1000; // 3 s

/**
 * Starts the local service in this process, with its data in the job's directory, so that a later
 * run finds its batches again.
 */
export async function startLocal(
  data: string,
  options: { enqueuedTokens?: number | undefined },
): Promise<OpenService> {
  const [{ startEmulator }, { azureOpenAI }] = await Promise.all([
    import('../emulator/index.ts'),
    import('../service/targets.ts'),
  ]);
  const { enqueuedTokens } = options;
  const emulator = await startEmulator({
    data,
    speed: LOCAL_SPEED,
    switches: { endpoints: ENDPOINTS },
    ...(enqueuedTokens === undefined ? {} : { enqueuedTokens }),
  });
  const target = azureOpenAI({
    endpoint: emulator.url,
    apiKey: emulator.key,
    enqueuedTokens,
  });
  return {
    targets: [underOneName(target)],
    local: true,
    async close() {
      await target.service.close();
      await emulator.close();
    },
  };
}

/** The same target under a resource name that stays, whatever port it has this time. */
function underOneName(target: Target): Target {
  const { service } = target;
  return {
    ...target,
    service: {
      resource: LOCAL_RESOURCE,
      dialect: service.dialect,
      uploadFile: (upload, signal) => service.uploadFile(upload, signal),
      getFile: (id, signal) => service.getFile(id, signal),
      listFiles: (signal) => service.listFiles(signal),
      deleteFile: (id, signal) => service.deleteFile(id, signal),
      downloadFile: (id, offset, signal) => service.downloadFile(id, offset, signal),
      createBatch: (batch, signal) => service.createBatch(batch, signal),
      getBatch: (id, signal) => service.getBatch(id, signal),
      listBatches: (signal, filter) => service.listBatches(signal, filter),
      cancelBatch: (id, signal) => service.cancelBatch(id, signal),
      close: () => service.close(),
    },
  };
}
