import { UsageError } from '../../core/errors.ts';
import type { TokenCredential } from '../../core/service.ts';

/** What proves to the storage account who is calling. */
export type BlobAccess =
  | { readonly connectionString: string }
  | { readonly sasToken: string }
  | { readonly credential: TokenCredential };

/** Input and output by Blob storage instead of the service's own files. */
export interface BlobOptions {
  /**
   * URL of a container, or of a folder in one: `https://ACCOUNT.blob.core.windows.net/CONTAINER`.
   * The resource's managed identity needs the role Storage Blob Data Contributor on it, and so does
   * the caller. Holds no secret.
   */
  container: string;
  /** Of the storage account. At most one of these three; default: the `credential` of the resource. */
  connectionString?: string | undefined;
  /** A shared access signature with read, write, delete and list. */
  sasToken?: string | undefined;
  /** Asked for a token of the scope `https://storage.azure.com/.default`. */
  credential?: TokenCredential | undefined;
}

/** First version of the API that knows blobs. */
export const BLOB_API_VERSION = '2025-04-01-preview';

/** What the options say of who is calling. Throws a UsageError when they say nothing, or two things. */
export function accessOf(options: BlobOptions, inherited: TokenCredential | undefined): BlobAccess {
  const { container, connectionString, sasToken, credential } = options;
  const given: BlobAccess[] = [];
  if (connectionString !== undefined) given.push({ connectionString });
  if (sasToken !== undefined) given.push({ sasToken });
  if (credential !== undefined) given.push({ credential });
  if (given.length > 1) {
    throw new UsageError(
      `more than one of connectionString, sasToken and credential were given for ${container}: choose one`,
    );
  }
  if (given.length === 0 && inherited !== undefined) given.push({ credential: inherited });
  const [access] = given;
  if (access !== undefined) return access;
  throw new UsageError(
    `no credentials for the blob container ${container}: the key of the resource does not open it. Set ` +
      'AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_SAS_TOKEN, or sign in with --auth default ' +
      '(as a library: blob.connectionString, blob.sasToken or a credential)',
  );
}

/** The version to ask with, or null for an API without versions. Throws a UsageError for one that is too old. */
export function blobApiVersion(given: string | undefined, own: string | null): string | null {
  if (own === null) return null;
  if (given === undefined) return BLOB_API_VERSION;
  if (/^\d{4}-/.test(given) && given < BLOB_API_VERSION.slice(0, 10)) {
    throw new UsageError(
      `the API version ${given} does not know Blob storage: give ${BLOB_API_VERSION} or a later one ` +
        '(--api-version, OPENAI_API_VERSION)',
    );
  }
  return given;
}
