import { UsageError } from '../core/errors.ts';
import type { ServiceDialect } from './dialects.ts';
import { DIALECTS, dialectOf } from './dialects.ts';

/** Start of the fixed fake keys of the local service. They are refused to any other host. */
export const LOCAL_KEY_PREFIX = 'millrace-emulator-';

/** A checked address of a service: where credentials may go, and nowhere else. */
export interface Endpoint {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Starts with a slash, ends without one. */
  readonly basePath: string;
  readonly loopback: boolean;
  readonly dialect: ServiceDialect;
}

/**
 * Checks a service URL before anything is sent: https, or http on loopback; no user, query or
 * fragment. `dialect` overrides what the path says. Throws a UsageError that names the rule.
 */
export function parseEndpoint(
  address: string,
  dialect?: ServiceDialect['name'] | undefined,
): Endpoint {
  if (!URL.canParse(address)) {
    throw new UsageError(
      `the service URL ${JSON.stringify(withoutSecrets(address))} is not a URL: it looks like ` +
        'https://NAME.openai.azure.com',
    );
  }
  const url = new URL(address);
  const loopback = isLoopback(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) {
    throw new UsageError(
      `the service URL ${url.protocol}//${url.host} is refused: keys and prompts go over https, and ` +
        'over plain http to this machine (localhost, 127.0.0.1, [::1]) only',
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new UsageError(
      `the service URL for ${url.host} holds a user name or a password: leave it out and set ` +
        'AZURE_OPENAI_API_KEY or choose --auth',
    );
  }
  if (url.search !== '' || url.hash !== '') {
    throw new UsageError(
      `the service URL ${url.origin}${url.pathname} has a query or a fragment: leave it out ` +
        '(the version is --api-version)',
    );
  }
  const spec = dialect === undefined ? dialectOf(url) : DIALECTS[dialect];
  const path = url.pathname.replace(/\/+$/, '');
  const basePath = path.endsWith(spec.basePath) ? path : path + spec.basePath;
  return { origin: url.origin, basePath, loopback, dialect: spec };
}

/** Refuses a key of the local service for any host but this machine. */
export function checkKey(key: string, endpoint: Endpoint): void {
  if (key.trim() === '') throw new UsageError('the API key is empty');
  // A header cannot hold these, and the error that undici would throw shows the value.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new UsageError('the API key holds a space or a character that no key has; copy it again');
  }
  if (key.startsWith(LOCAL_KEY_PREFIX) && !endpoint.loopback) {
    throw new UsageError(
      `the local service's key is not sent to ${endpoint.origin}: set the key of that resource`,
    );
  }
}

/** Whether a host of a URL is this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

/** What may be shown of something that was meant as a URL. */
function withoutSecrets(address: string): string {
  return address.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//');
}

/** A cloud of Azure's: where its tokens come from and what they are for. */
export interface Cloud {
  readonly scope: string;
  readonly authorityHost: string;
}

const CLOUDS: readonly (Cloud & { readonly suffix: string })[] = [
  {
    suffix: '.azure.us',
    scope: 'https://cognitiveservices.azure.us/.default',
    authorityHost: 'https://login.microsoftonline.us',
  },
  {
    suffix: '.azure.cn',
    scope: 'https://cognitiveservices.azure.cn/.default',
    authorityHost: 'https://login.chinacloudapi.cn',
  },
];

const PUBLIC_CLOUD: Cloud = {
  scope: 'https://cognitiveservices.azure.com/.default',
  authorityHost: 'https://login.microsoftonline.com',
};

/** The cloud of a host, by its suffix; the public one when it has none of the others. */
export function cloudOf(origin: string): Cloud {
  const { hostname } = new URL(origin);
  return CLOUDS.find((cloud) => hostname.endsWith(cloud.suffix)) ?? PUBLIC_CLOUD;
}
