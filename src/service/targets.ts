import type { Dispatcher } from 'undici';
import type { Clock, Random } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import { UsageError } from '../core/errors.ts';
import type { RetryPolicy } from '../core/retry.ts';
import { DEFAULT_RETRY } from '../core/retry.ts';
import type { Target, TokenCredential } from '../core/service.ts';
import { BlobBatchClient } from './blob/client.ts';
import { accessOf, type BlobOptions, blobApiVersion } from './blob/options.ts';
import { parsePlace } from './blob/place.ts';
import { BlobStore } from './blob/store.ts';
import { BatchClient } from './client.ts';
import type { Authorizer } from './credentials.ts';
import { keyAuthorizer, tokenAuthorizer } from './credentials.ts';
import { DEFAULT_TIMEOUT_MS } from './deadline.ts';
import { atVersion } from './dialects.ts';
import type { Endpoint } from './endpoint.ts';
import { checkKey, cloudOf, parseEndpoint } from './endpoint.ts';
import { Transport } from './transport.ts';

const DEFAULT_CONCURRENCY = 8; // calls on the wire at once

/** What every kind of target can be told. */
export interface CommonOptions {
  /** Name of the target, unique in a job. Default `default`. */
  name?: string | undefined;
  /** Its share beside the other targets of a job: multiplies its quota. Default 1. */
  weight?: number | undefined;
  /** How the key is called where it is shown what calls are authorised by. Default `a key`. */
  keyName?: string | undefined;
  /** Enqueued tokens that the deployment admits, as the service counts them. Default: unknown. */
  enqueuedTokens?: number | undefined;
  /**
   * Longest time of one try without an answer, in ms. For an upload or a download it is the longest
   * time without a byte. Default 60,000.
   */
  timeoutMs?: number | undefined;
  /** Tries and waits of calls that are safe to repeat. Default: 6 tries, 0.5 s doubling to 30 s. */
  retry?: Partial<RetryPolicy> | undefined;
  /** Calls on the wire at once, and uploads besides. Default 8. */
  concurrency?: number | undefined;
  /** For tests: the time and the waits. */
  clock?: Clock | undefined;
  /** For tests: the jitter. */
  random?: Random | undefined;
  /** For tests: replaces the connections. */
  dispatcher?: Dispatcher | undefined;
}

/** A resource of Azure OpenAI, a batch deployment on it, and what opens it. */
export interface AzureOptions extends CommonOptions {
  /**
   * The resource: `https://NAME.openai.azure.com`, or with `/openai/v1` for the API without
   * versions. Keys and tokens go to this host and to no other.
   */
  endpoint: string;
  /** Name of the batch deployment, written as `model` into every line. Default: the job's own. */
  deployment?: string | undefined;
  /** Exactly one of `apiKey` and `credential`. */
  apiKey?: string | undefined;
  /** Any object with `getToken(scope)`, such as those of `@azure/identity`. */
  credential?: TokenCredential | undefined;
  /**
   * Default `2024-10-21` for a resource without a path (with `blob` `2025-04-01-preview`), none for
   * `/openai/v1`.
   */
  apiVersion?: string | undefined;
  /**
   * Puts shards into a container of yours and reads the answers there: files of 1 GB, and no limit to
   * their number. Needs the package `@azure/storage-blob`. Default: the service's own files.
   */
  blob?: BlobOptions | undefined;
}

/** OpenAI's own API, or one that speaks like it, and the key that opens it. */
export interface OpenAIOptions extends CommonOptions {
  /** Sent to the host of `baseURL` and to no other. */
  apiKey: string;
  /** Default `https://api.openai.com/v1`. */
  baseURL?: string | undefined;
  /** Written as `model` into every line. Default: the job's own. */
  model?: string | undefined;
}

/**
 * A resource of Azure OpenAI as a target for shards. Throws a UsageError for an address, a key or
 * options that cannot work; nothing is sent before the first call.
 */
export function azureOpenAI(options: AzureOptions): Target {
  const endpoint = parseEndpoint(options.endpoint);
  const { apiKey, credential } = options;
  if (apiKey !== undefined && credential !== undefined) {
    throw new UsageError('apiKey and credential were both given: choose one');
  }
  if (apiKey !== undefined) {
    checkKey(apiKey, endpoint);
    const authorizer = keyAuthorizer(apiKey, endpoint.dialect.keyHeader, options.keyName);
    return azureTarget(endpoint, authorizer, options);
  }
  if (credential === undefined) {
    throw new UsageError(
      `no credentials for ${endpoint.origin}: give apiKey, or credential (an object of @azure/identity)`,
    );
  }
  const clock = options.clock ?? systemClock;
  const authorizer = tokenAuthorizer(credential, cloudOf(endpoint.origin).scope, clock);
  return azureTarget(endpoint, authorizer, options);
}

function azureTarget(endpoint: Endpoint, authorizer: Authorizer, options: AzureOptions): Target {
  const { blob, deployment, apiVersion } = options;
  if (blob === undefined) return target(endpoint, authorizer, options, deployment, apiVersion);
  const place = parsePlace(blob.container);
  const access = accessOf(blob, options.credential);
  const version = blobApiVersion(apiVersion, endpoint.dialect.apiVersion);
  const plain = target(endpoint, authorizer, options, deployment, version ?? undefined);
  const blobs = new BlobStore({ place, access, ...resolved(options) });
  return { ...plain, service: new BlobBatchClient(plain.service, place, blobs) };
}

/** OpenAI's own Batch API, or a server that speaks it, as a target for shards. */
export function openAI(options: OpenAIOptions): Target {
  const endpoint = parseEndpoint(options.baseURL ?? 'https://api.openai.com/v1', 'openai');
  checkKey(options.apiKey, endpoint);
  const authorizer = keyAuthorizer(options.apiKey, endpoint.dialect.keyHeader, options.keyName);
  return target(endpoint, authorizer, options, options.model, undefined);
}

function target(
  endpoint: Endpoint,
  authorizer: Authorizer,
  options: CommonOptions,
  deployment: string | undefined,
  apiVersion: string | undefined,
): Target & { readonly service: BatchClient } {
  const version = apiVersion ?? endpoint.dialect.apiVersion;
  const transport = new Transport({
    endpoint,
    apiVersion: version,
    authorizer,
    ...resolved(options),
    concurrency: positive('concurrency', options.concurrency ?? DEFAULT_CONCURRENCY),
    dispatcher: options.dispatcher,
  });
  const weight = options.weight ?? 1;
  if (!(weight > 0) || !Number.isFinite(weight)) {
    throw new UsageError(`weight is ${weight}: it must be a number above zero`);
  }
  return {
    name: targetName(options.name ?? 'default'),
    weight,
    credential: () => authorizer.describe(),
    service: new BatchClient(
      endpoint.origin + endpoint.basePath,
      atVersion(endpoint.dialect, version),
      transport,
    ),
    deployment: deployment ?? null,
    enqueuedTokens:
      options.enqueuedTokens === undefined
        ? null
        : positive('enqueuedTokens', options.enqueuedTokens),
  };
}

/** Times and chance, with their defaults. */
function resolved(options: CommonOptions) {
  return {
    timeoutMs: positive('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS),
    retry: { ...DEFAULT_RETRY, ...options.retry },
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
}

/** Stands in the names of files at the service. */
function targetName(name: string): string {
  if (/^[a-z0-9][a-z0-9._-]{0,31}$/i.test(name)) return name;
  throw new UsageError(
    `"${name}" cannot name a target: use 1 to 32 letters, digits, dots, dashes and underscores, ` +
      'beginning with a letter or a digit',
  );
}

function positive(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new UsageError(`${name} is ${value}: it must be a whole number above zero`);
  }
  return value;
}
