import { UsageError } from '../core/errors.ts';
import type { Target } from '../core/service.ts';
import { loadStorage } from './blob/connect.ts';
import type { BlobOptions } from './blob/options.ts';
import { loadCredential } from './credentials.ts';
import { cloudOf, parseEndpoint } from './endpoint.ts';
import type { CommonOptions } from './targets.ts';
import { azureOpenAI, openAI } from './targets.ts';

export type AuthKind = 'key' | 'default' | 'managed-identity' | 'workload' | 'cli';

/** A service as the command line names it; what is missing comes from the environment. */
export interface ServiceSettings extends CommonOptions {
  /** URL of the service. Default: AZURE_OPENAI_ENDPOINT, else OPENAI_BASE_URL. */
  service?: string | undefined;
  /** Default: `key` when the environment holds one or the host is this machine, else `default`. */
  auth?: AuthKind | undefined;
  /** Default: OPENAI_API_VERSION, else the dialect's own. */
  apiVersion?: string | undefined;
  deployment?: string | undefined;
  /** URL of a container for input and output by Blob storage. Default: the service's own files. */
  blobContainer?: string | undefined;
  /** The variable that holds the key. Default: AZURE_OPENAI_API_KEY, for OpenAI's own OPENAI_API_KEY. */
  keyEnv?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The target that settings and environment name. Reads AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY
 * and OPENAI_API_VERSION, for OpenAI's own API OPENAI_BASE_URL and OPENAI_API_KEY; for a
 * container AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_SAS_TOKEN. Throws a UsageError that says what to
 * set.
 */
export async function serviceFromEnv(
  settings: ServiceSettings,
  env: Environment = process.env,
): Promise<Target> {
  const address = settings.service ?? set(env.AZURE_OPENAI_ENDPOINT) ?? set(env.OPENAI_BASE_URL);
  if (address === undefined) {
    throw new UsageError(
      'no service was named: set AZURE_OPENAI_ENDPOINT=https://NAME.openai.azure.com (and ' +
        'AZURE_OPENAI_API_KEY), give --service URL, or try it on this machine with --service local',
    );
  }
  const endpoint = parseEndpoint(address);
  const {
    service: _service,
    auth,
    apiVersion: version,
    keyEnv,
    blobContainer,
    ...common
  } = settings;
  if (endpoint.dialect.name === 'openai') {
    if (blobContainer !== undefined) {
      throw new UsageError(`--blob-container is for Azure; ${endpoint.origin} takes files`);
    }
    if (auth !== undefined && auth !== 'key') {
      throw new UsageError(`--auth ${auth} is for Azure; ${endpoint.origin} takes a key`);
    }
    const name = keyEnv ?? 'OPENAI_API_KEY';
    const apiKey = wanted(name, env, endpoint.origin);
    const keyName = `the key in ${name}`;
    return openAI({ ...common, baseURL: address, apiKey, keyName, model: settings.deployment });
  }
  const apiVersion =
    version ?? (endpoint.dialect.apiVersion === null ? undefined : set(env.OPENAI_API_VERSION));
  const blob = blobContainer === undefined ? undefined : await blobFrom(blobContainer, env);
  // A person's own token is not sent to a server on this machine unless that is asked for.
  const keyed =
    endpoint.loopback || keyEnv !== undefined || set(env.AZURE_OPENAI_API_KEY) !== undefined;
  const kind = auth ?? (keyed ? 'key' : 'default');
  if (kind === 'key') {
    const name = keyEnv ?? 'AZURE_OPENAI_API_KEY';
    const apiKey = wanted(name, env, endpoint.origin);
    const keyName = `the key in ${name}`;
    return azureOpenAI({ ...common, endpoint: address, apiVersion, apiKey, keyName, blob });
  }
  const credential = await loadCredential(kind, cloudOf(endpoint.origin));
  return azureOpenAI({ ...common, endpoint: address, apiVersion, credential, blob });
}

/** A container, and what the environment holds to open it; else the credential of the resource does. */
async function blobFrom(container: string, env: Environment): Promise<BlobOptions> {
  await loadStorage();
  const connectionString = set(env.AZURE_STORAGE_CONNECTION_STRING);
  const sasToken = set(env.AZURE_STORAGE_SAS_TOKEN);
  return { container, connectionString, sasToken };
}

function wanted(name: string, env: Environment, origin: string): string {
  const value = set(env[name]);
  if (value !== undefined) return value;
  throw new UsageError(`${name} is not set: it holds the key for ${origin}`);
}

/** An empty variable is one that is not set; a pasted one may end in a newline. */
function set(value: string | undefined): string | undefined {
  const trimmed = value?.trim();
  return trimmed === '' ? undefined : trimmed;
}
