import { Command } from 'commander';
import type { BatchObject } from '../../core/batch.ts';
import { UsageError } from '../../core/errors.ts';
import { addGeneralFlags, type Finish } from '../options/general.ts';
import { addRemoteFlags } from '../options/service.ts';
import type { Remote, RemoteFlags } from '../remote.ts';
import type { At } from '../screen/service-tables.ts';
import { count, instant } from '../units.ts';

type ListFlags = RemoteFlags & {
  since?: number;
  status?: string;
  filter?: string;
  limit?: number;
};

const DEFAULT_LIMIT = 20; // a screenful, and the service's own page

/** `millrace batches`: what there is at the service, whoever made it. */
export function batchesCommand(finish: Finish): Command {
  const group = new Command('batches')
    .summary('list, look at and cancel batches at the service')
    .description('The batches of a resource, of millrace jobs and of others.')
    .usage('list|get|cancel [options]');
  const list = new Command('list')
    .summary('the newest batches')
    .description('Lists batches, newest first where the service sorts them.')
    .usage('[options]')
    .optionsGroup('Which:')
    .option('--since <time>', 'made since: 24h, 90m, or 2026-11-22T10:00Z', (text) =>
      instant(text, '--since'),
    )
    .option('--status <list>', 'completed,failed ... or live, ended')
    .option('--filter <text>', "as the service's: created_at gt N and status eq 'Completed'")
    .option('--limit <count>', `at most so many (${DEFAULT_LIMIT})`, (text) =>
      count(text, '--limit'),
    );
  addRemoteFlags(list);
  addGeneralFlags(list, '--json', 'a JSON object for each on standard output');
  list.action((flags: ListFlags) => finish(() => listBatches(flags)));

  const get = new Command('get')
    .summary('one batch with its files and errors')
    .usage('ID [options]')
    .argument('<id>', 'such as batch_...');
  addRemoteFlags(get);
  addGeneralFlags(get, '--json', 'one JSON object on standard output');
  get.action((id: string, flags: RemoteFlags) => finish(() => getBatch(id, flags)));

  const cancel = new Command('cancel')
    .summary('cancel batches by their ids')
    .description(
      "What they answered until then is kept and charged. A running job sends its batches' other " +
        'rows again: to end a job, use millrace cancel --job DIR.',
    )
    .usage('ID... [options]')
    .argument('<id...>', 'such as batch_...');
  addRemoteFlags(cancel);
  addGeneralFlags(cancel, '--json', 'a JSON object for each on standard output');
  cancel.action((ids: string[], flags: RemoteFlags) => finish(() => cancelBatches(ids, flags)));

  group.addCommand(list).addCommand(get).addCommand(cancel);
  addGeneralFlags(group);
  return group;
}

async function listBatches(flags: ListFlags): Promise<number> {
  const [{ withRemote }, { batchFilter, statusFilter }, { ownerOfBatch }] = await Promise.all([
    import('../remote.ts'),
    import('../../service/filter.ts'),
    import('../../jobs/listing.ts'),
  ]);
  const { since, filter, limit = DEFAULT_LIMIT } = flags;
  const tests = [
    ...(filter === undefined ? [] : [batchFilter(filter)]),
    ...(flags.status === undefined ? [] : [statusFilter(flags.status)]),
    ...(since === undefined ? [] : [(batch: BatchObject) => (batch.createdAt ?? since) >= since]),
  ];
  return withRemote(flags, async (remote) => {
    const { resources, job } = remote;
    if (job !== null) tests.push((batch) => ownerOfBatch(batch)?.job === job);
    const found: At<BatchObject>[] = [];
    let more = false;
    for (const { name, service } of resources) {
      let shown = 0;
      for await (const batch of service.listBatches(undefined, serverFilter(filter, since))) {
        if (!tests.every((test) => test(batch))) continue;
        if (shown === limit) {
          more = true;
          break;
        }
        found.push({ target: name, item: batch });
        shown += 1;
      }
    }
    await showBatches(remote, found, flags.json === true);
    if (more && !flags.json) {
      process.stderr.write(`These are the first ${limit}; --limit shows more.\n`);
    }
    return 0;
  });
}

/** What a version that hears a filter is asked, so that it sends fewer pages. */
function serverFilter(filter: string | undefined, since: number | undefined): string | undefined {
  const parts = [
    ...(filter === undefined ? [] : [`(${filter})`]),
    ...(since === undefined ? [] : [`created_at ge ${Math.floor(since / 1000)}`]),
  ];
  return parts.length === 0 ? undefined : parts.join(' and ');
}

async function getBatch(id: string, flags: RemoteFlags): Promise<number> {
  const { withRemote } = await import('../remote.ts');
  return withRemote(flags, async (remote) => {
    const { item } = await at(remote, id, (service) => service.getBatch(id));
    const { batchLines } = await import('../screen/service-tables.ts');
    process.stdout.write(`${flags.json ? JSON.stringify(item) : batchLines(item).join('\n')}\n`);
    return 0;
  });
}

async function cancelBatches(ids: readonly string[], flags: RemoteFlags): Promise<number> {
  const { withRemote } = await import('../remote.ts');
  return withRemote(flags, async (remote) => {
    const cancelled: At<BatchObject>[] = [];
    for (const id of ids) {
      cancelled.push(await at(remote, id, (service) => service.cancelBatch(id)));
    }
    await showBatches(remote, cancelled, flags.json === true);
    return 0;
  });
}

/** Asks each resource in turn for a batch that one of them has. */
async function at(
  { resources }: Remote,
  id: string,
  call: (service: Remote['resources'][number]['service']) => Promise<BatchObject>,
): Promise<At<BatchObject>> {
  const { isGone } = await import('../../jobs/missing.ts');
  for (const { name, service } of resources) {
    try {
      return { target: name, item: await call(service) };
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  const where = resources.map(({ service }) => service.resource).join(', ');
  throw new UsageError(`there is no batch ${id} at ${where}: millrace batches list shows them`);
}

async function showBatches(
  { resources }: Remote,
  batches: readonly At<BatchObject>[],
  json: boolean,
): Promise<void> {
  if (json) {
    for (const { target, item } of batches) {
      process.stdout.write(`${JSON.stringify({ target, ...item })}\n`);
    }
    return;
  }
  const [{ table }, { BATCH_COLUMNS, TARGET_COLUMN }, { styleOf }] = await Promise.all([
    import('../screen/table.ts'),
    import('../screen/service-tables.ts'),
    import('../screen/style.ts'),
  ]);
  if (batches.length === 0) {
    process.stderr.write('There are no such batches.\n');
    return;
  }
  const columns = resources.length > 1 ? [TARGET_COLUMN, ...BATCH_COLUMNS] : BATCH_COLUMNS;
  process.stdout.write(`${table(columns, batches, styleOf(process.stdout)).join('\n')}\n`);
}
