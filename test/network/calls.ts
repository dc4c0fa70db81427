import type { BatchService, TokenCredential } from '../../src/core/service.ts';
import type { Handler } from '../service/server.ts';
import { BATCH, collect, FILE, json } from '../service/server.ts';
import type { Call } from './matrix.ts';

/** Of the emulators and of the authority. */
export const TOKEN = 'canary-key';

/** What the calls are about. */
export interface Subject {
  readonly file: string;
  readonly batch: string;
}

export const UPLOAD = {
  name: 'a.jsonl',
  bytes: 6,
  async *open() {
    yield Buffer.from('abcdef');
  },
};

/** Each call of the port as a job makes it. A token is got by the first call that needs one. */
export const RUN: Readonly<
  Record<Call, (service: BatchService, subject: Subject) => Promise<unknown>>
> = {
  upload: (service) => service.uploadFile(UPLOAD),
  create: (service, { file }) =>
    service.createBatch({ inputFileId: file, endpoint: '/chat/completions', metadata: {} }),
  batches: (service) => collect(service.listBatches()),
  batch: (service, { batch }) => service.getBatch(batch),
  cancel: (service, { batch }) => service.cancelBatch(batch),
  files: (service) => collect(service.listFiles()),
  file: (service, { file }) => service.getFile(file),
  content: async (service, { file }) => {
    const { body } = await service.downloadFile(file, 0);
    return Buffer.concat(await collect(body)).toString();
  },
  delete: (service, { file }) => service.deleteFile(file),
  token: (service, { batch }) => service.getBatch(batch),
};

const content: Handler = async (_request, response, read) => {
  await read();
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  response.end('a\nb\n');
};

/** How a server in good health answers each of them. */
export const HEALTHY: Readonly<Record<Call, Handler>> = {
  upload: json(FILE),
  create: json(BATCH),
  batches: json({ data: [BATCH] }),
  batch: json(BATCH),
  cancel: json(BATCH),
  files: json({ data: [FILE] }),
  file: json(FILE),
  content,
  delete: json({ deleted: true }),
  token: json({ token: TOKEN }),
};

/** A credential that asks a server over HTTP, and says what went wrong as @azure/identity does. */
export function credentialAt(origin: string, timeoutMs: number): TokenCredential {
  return {
    async getToken(_scopes, { abortSignal } = {}) {
      const limits = [AbortSignal.timeout(timeoutMs), ...(abortSignal ? [abortSignal] : [])];
      const answer = await fetch(`${origin}/token`, {
        redirect: 'manual',
        signal: AbortSignal.any(limits),
      });
      if (answer.status !== 200) {
        const { status } = answer;
        throw Object.assign(new Error(`the authority answered ${status}`), { statusCode: status });
      }
      const { token } = (await answer.json()) as { token?: string };
      if (token === undefined) throw new Error('the authority gave no token');
      return { token, expiresOnTimestamp: Date.now() + 60 * 60 * 1000 };
    },
  };
}
