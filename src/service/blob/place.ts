import { UsageError } from '../../core/errors.ts';
import { isLoopback } from '../endpoint.ts';

/** A checked place for blobs: a container, and perhaps a folder in it. */
export interface BlobPlace {
  /** Of the account: scheme, host, port, and for a host without a name of its own the account. */
  readonly account: string;
  readonly container: string;
  /** Empty, or ends in a slash. */
  readonly folder: string;
  /** Container and folder; ends without a slash, holds no secret. */
  readonly url: string;
}

/** As the storage service wants them. */
const CONTAINER = /^[a-z0-9](-?[a-z0-9]){2,62}$/;
const FOLDER = /^[A-Za-z0-9._-]{1,254}$/;

/**
 * Checks the URL of a container, or of a folder in one, before anything is sent: https, or http on
 * this machine; no user and no query, for a signature in it is a secret. Throws a UsageError.
 */
export function parsePlace(address: string): BlobPlace {
  const shown = address.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//');
  const wrong = (why: string) => new UsageError(`the blob container ${shown} ${why}`);
  if (!URL.canParse(address)) {
    throw wrong('is not a URL: it looks like https://ACCOUNT.blob.core.windows.net/CONTAINER');
  }
  const url = new URL(address);
  const loopback = isLoopback(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) {
    throw wrong('is refused: prompts go over https, and over plain http to this machine only');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw wrong(
      'holds more than an address: give it without its query, and put a shared access signature ' +
        'into AZURE_STORAGE_SAS_TOKEN',
    );
  }
  const segments = url.pathname.split('/').filter((segment) => segment !== '');
  // A host without a name of its own, such as an emulator's, has the account in its path.
  const numbered = loopback || /^[\d.]+$|^\[/.test(url.hostname);
  const account = numbered ? `${url.origin}/${segments.shift() ?? ''}` : url.origin;
  const [container = '', ...folders] = segments;
  if (!CONTAINER.test(container)) {
    throw wrong(
      `names no container: it looks like ${account}/CONTAINER or ${account}/CONTAINER/FOLDER, ` +
        'and the name has 3 to 63 lower-case letters, digits and dashes',
    );
  }
  const odd = folders.find((folder) => !FOLDER.test(folder));
  if (odd !== undefined) {
    throw wrong('has a folder whose name holds more than letters, digits, dots, dashes and _');
  }
  return {
    account,
    container,
    folder: folders.map((folder) => `${folder}/`).join(''),
    url: [account, container, ...folders].join('/'),
  };
}
