import type { Command } from 'commander';
import { UsageError } from '../../core/errors.ts';
import { durationMs, oneOf } from '../units.ts';
import { type Flags, refusePair } from './flags.ts';

export const AUTH = ['key', 'default', 'managed-identity', 'workload', 'cli'] as const;

export interface ServiceFlags {
  service?: string;
  targets?: string;
  apiVersion?: string;
  auth?: (typeof AUTH)[number];
  pollInterval?: number;
  submitGrace?: number;
  blobContainer?: string;
}

/** Where the batches run. Secrets come from the environment only. */
export function addServiceFlags(command: Command): Command {
  return addAddressFlags(command)
    .option('--poll-interval <duration>', 'between looks at the batches (60s)', (text) =>
      durationMs(text, '--poll-interval'),
    )
    .option('--submit-grace <duration>', 'how long a lost create is looked for (2m)', (text) =>
      durationMs(text, '--submit-grace'),
    );
}

/** The same for a verb that looks at a service; the job is only where to look. */
export function addRemoteFlags(command: Command): Command {
  return addAddressFlags(command).option('--job <dir>', 'only what belongs to this job');
}

function addAddressFlags(command: Command): Command {
  return command
    .optionsGroup('Service:')
    .option('--service <url>', 'or local; AZURE_OPENAI_ENDPOINT by default')
    .option('--targets <file>', 'several services, as JSON: docs/operations.md')
    .option('--auth <kind>', 'key default managed-identity workload cli', (text) =>
      oneOf(text, '--auth', AUTH),
    )
    .option('--api-version <version>', 'of a resource URL without /v1')
    .option('--blob-container <url>', 'shards and answers as blobs: files of 1 GB, no file quota');
}

/** Refuses what a file of targets says by itself, and what says nothing to the local service. */
export function checkServiceFlags(flags: ServiceFlags): void {
  for (const flag of ['--service', '--auth', '--api-version', '--blob-container']) {
    refusePair(flags as Flags, '--targets', flag, 'each target of the file says it for itself');
  }
  if (flags.service !== 'local') return;
  const given = [
    ['--auth', flags.auth],
    ['--api-version', flags.apiVersion],
    ['--blob-container', flags.blobContainer],
  ] as const;
  const [both] = given.find(([, value]) => value !== undefined) ?? [];
  if (both === undefined) return;
  throw new UsageError(
    `--service local and ${both} cannot stand together: the local service has its own key, version and files`,
  );
}
