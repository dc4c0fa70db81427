import type { ContainerClient, StoragePipelineOptions } from '@azure/storage-blob';
import { errorCode, MillraceError, UsageError } from '../../core/errors.ts';
import type { TokenCredential } from '../../core/service.ts';
import { authFailed } from '../credentials.ts';
import type { BlobAccess } from './options.ts';
import type { BlobPlace } from './place.ts';

type Storage = typeof import('@azure/storage-blob');

/** Loads the optional package. Throws `package_missing` when it is not installed. */
export async function loadStorage(
  load: () => Promise<Storage> = () => import('@azure/storage-blob'),
): Promise<Storage> {
  try {
    return await load();
  } catch (cause) {
    if (errorCode(cause) !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new MillraceError(
      'package_missing',
      'input by Blob storage needs the package @azure/storage-blob, which is not installed: ' +
        'npm install @azure/storage-blob',
      { cause },
    );
  }
}

/** The container, ready to be called; every try is one of the caller's, none of the package's. */
export async function openContainer(
  place: BlobPlace,
  access: BlobAccess,
): Promise<ContainerClient> {
  const storage = await loadStorage();
  refuseProxy(place.account);
  const options: StoragePipelineOptions = { retryOptions: { maxTries: 1 } };
  const address = `${place.account}/${place.container}`;
  if ('credential' in access) {
    return new storage.ContainerClient(address, explained(access.credential), options);
  }
  if ('sasToken' in access) {
    const query = access.sasToken.replace(/^\?/, '');
    return new storage.ContainerClient(`${address}?${query}`, undefined, options);
  }
  const account = accountOf(storage, access.connectionString, options);
  const [url = ''] = account.url.split('?');
  if (url.replace(/\/+$/, '') !== place.account) {
    throw new UsageError(
      `AZURE_STORAGE_CONNECTION_STRING is for ${url}, the blob container is at ${place.account}: ` +
        'set that of the same account, or unset it to sign in with --auth',
    );
  }
  return account.getContainerClient(place.container);
}

/**
 * The package sends by a proxy whatever NO_PROXY does not name: what goes to this machine in plain
 * text must not be seen by one.
 */
function refuseProxy(account: string, env: NodeJS.ProcessEnv = process.env): void {
  const { protocol, hostname } = new URL(account);
  const set = (name: string) => env[name] || env[name.toLowerCase()];
  if (protocol !== 'http:' || !(set('HTTPS_PROXY') || set('ALL_PROXY') || set('HTTP_PROXY')))
    return;
  const excepted = (set('NO_PROXY') ?? '').split(',').map((pattern) => pattern.trim());
  if (excepted.includes(hostname)) return;
  throw new UsageError(
    `a proxy is set, and would see what goes to ${account} in plain text: add ${hostname} to NO_PROXY`,
  );
}

function accountOf(storage: Storage, connectionString: string, options: StoragePipelineOptions) {
  try {
    return storage.BlobServiceClient.fromConnectionString(connectionString, options);
  } catch {
    // The package's own words may show a part of the string.
    throw new UsageError(
      'AZURE_STORAGE_CONNECTION_STRING cannot be read: copy it again from the account',
    );
  }
}

/** The same credential, whose failures say what to do. */
function explained(credential: TokenCredential): TokenCredential {
  return {
    async getToken(scopes, options) {
      try {
        return await credential.getToken(scopes, options);
      } catch (error) {
        throw authFailed(error);
      }
    },
  };
}

/** Takes the secrets out of words that somebody else wrote. */
export function redactor(access: BlobAccess): (text: string) => string {
  const secrets =
    'connectionString' in access
      ? [...access.connectionString.matchAll(/(?:AccountKey|SharedAccessSignature)=([^;]+)/gi)].map(
          ([, value]) => value ?? '',
        )
      : 'sasToken' in access
        ? [access.sasToken.replace(/^\?/, '')]
        : [];
  return (text) => {
    const words = text.replace(/\bsig=[^&\s"']+/g, 'sig=***');
    return secrets.reduce((left, secret) => left.replaceAll(secret, '***'), words);
  };
}
