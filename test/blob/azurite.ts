import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';

const MAIN = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');

export const ACCOUNT = 'millracetest';
/** Of an account that is only in this process. */
export const ACCOUNT_KEY = Buffer.from('a key of the account for tests').toString('base64');

/** A storage account on this machine. */
export interface Azurite extends AsyncDisposable {
  /** Of the account; ends without a slash. */
  readonly url: string;
  readonly connectionString: string;
  /** Makes a container. */
  container(name: string): Promise<ContainerClient>;
}

/** Where a proxy is set, this machine is not reached by it. */
export const NO_PROXY = { NO_PROXY: [process.env.NO_PROXY, '127.0.0.1'].filter(Boolean).join(',') };
Object.assign(process.env, NO_PROXY);

/** Starts Azurite on a free port, its data in a temporary directory. */
export async function startAzurite(): Promise<Azurite> {
  const data = await mkdtemp(join(tmpdir(), 'millrace-azurite-'));
  const args = ['--blobPort', '0', '--location', data, '--silent', '--disableTelemetry'];
  const child = spawn(process.execPath, [MAIN, ...args, '--skipApiVersionCheck'], {
    env: { ...process.env, AZURITE_ACCOUNTS: `${ACCOUNT}:${ACCOUNT_KEY}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  const origin = await new Promise<string>((resolve, reject) => {
    let said = '';
    const read = (text: Buffer) => {
      said += String(text);
      const found = /listens on (http:\/\/127\.0\.0\.1:\d+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('close', () => reject(new Error(`Azurite did not start: ${said}`)));
  });
  const url = `${origin}/${ACCOUNT}`;
  const connectionString = `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${ACCOUNT_KEY};BlobEndpoint=${url};`;
  return {
    url,
    connectionString,
    async container(name) {
      const service = BlobServiceClient.fromConnectionString(connectionString);
      const container = service.getContainerClient(name);
      await container.create();
      return container;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** The names of the blobs that are there. */
export async function namesIn(container: ContainerClient): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of container.listBlobsFlat()) names.push(name);
  return names;
}
