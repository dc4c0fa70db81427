import { Command } from 'commander';
import type { FileObject } from '../../core/batch.ts';
import { addGeneralFlags, type Finish } from '../options/general.ts';
import { addRemoteFlags } from '../options/service.ts';
import type { Remote, RemoteFlags } from '../remote.ts';
import type { At } from '../screen/service-tables.ts';
import { durationMs } from '../units.ts';

type GcFlags = RemoteFlags & { olderThan?: number; yes?: boolean };

const DEFAULT_AGE_MS = 60 * 60 * 1000; // 1 h: what is younger may be on its way into a batch

/** `millrace files`: the input files at the service, and the tidying of our own. */
export function filesCommand(finish: Finish): Command {
  const group = new Command('files')
    .summary('list and delete input files at the service')
    .description('The batch input files of a resource, which holds a limited number of them.')
    .usage('list|delete|gc [options]');
  const list = new Command('list')
    .summary('every batch input file')
    .description('Lists the input files of the resource, whoever made them, and counts them.')
    .usage('[options]');
  addRemoteFlags(list);
  addGeneralFlags(list, '--json', 'a JSON object for each on standard output');
  list.action((flags: RemoteFlags) => finish(() => listFiles(flags)));

  const remove = new Command('delete')
    .summary('delete files by their ids')
    .description('Deletes input or output files. Those that are gone already are no error.')
    .usage('ID... [options]')
    .argument('<id...>', 'such as file-...');
  addRemoteFlags(remove);
  addGeneralFlags(remove);
  remove.action((ids: string[], flags: RemoteFlags) => finish(() => deleteFiles(ids, flags)));

  const gc = new Command('gc')
    .summary('delete what finished jobs of ours left behind')
    .description(
      'Deletes input files that millrace made, known by their names, of jobs without a live batch. ' +
        "Shows them and asks first. Nobody else's file is ever touched.",
    )
    .usage('[--older-than 7d] [--yes] [options]')
    .optionsGroup('Which:')
    .option('--older-than <duration>', 'only files of that age: 90m, 7d (1h)', (text) =>
      durationMs(text, '--older-than'),
    )
    .option('--yes', 'do not ask');
  addRemoteFlags(gc);
  addGeneralFlags(gc, '--json', 'a JSON object for each on standard output');
  gc.action((flags: GcFlags) => finish(() => collectGarbage(flags)));

  group.addCommand(list).addCommand(remove).addCommand(gc);
  addGeneralFlags(group);
  return group;
}

async function listFiles(flags: RemoteFlags): Promise<number> {
  const [{ withRemote }, { ownerOfFile }] = await Promise.all([
    import('../remote.ts'),
    import('../../jobs/listing.ts'),
  ]);
  return withRemote(flags, async (remote) => {
    const found: At<FileObject>[] = [];
    const counts: string[] = [];
    for (const { name, service } of remote.resources) {
      let files = 0;
      for await (const item of service.listFiles()) {
        files += 1;
        const wanted = remote.job === null || ownerOfFile(item.name)?.job === remote.job;
        if (wanted) found.push({ target: name, item });
      }
      const { maxFiles } = service.dialect;
      const limit = maxFiles < Number.MAX_SAFE_INTEGER ? ` of ${maxFiles}` : '';
      counts.push(`${files}${limit} input files at ${service.resource}`);
    }
    await showFiles(remote, found, flags.json === true);
    if (!flags.json) process.stderr.write(`${counts.join('\n')}\n`);
    return 0;
  });
}

async function deleteFiles(ids: readonly string[], flags: RemoteFlags): Promise<number> {
  const [{ withRemote }, { isGone }] = await Promise.all([
    import('../remote.ts'),
    import('../../jobs/missing.ts'),
  ]);
  const deleteAt = async (id: string, { service }: Remote['resources'][number]) => {
    try {
      // That it is not there is what was asked for, but may be a slip in the id.
      await service.getFile(id);
    } catch (error) {
      if (isGone(error)) return false;
      throw error;
    }
    await service.deleteFile(id);
    return true;
  };
  return withRemote(flags, async ({ resources }) => {
    for (const id of ids) {
      let deleted = false;
      for (const resource of resources) deleted = (await deleteAt(id, resource)) || deleted;
      const where = resources.map(({ service }) => service.resource).join(', ');
      process.stderr.write(deleted ? `Deleted ${id}.\n` : `There is no file ${id} at ${where}.\n`);
    }
    return 0;
  });
}

async function collectGarbage(flags: GcFlags): Promise<number> {
  const [{ withRemote }, { findGarbage }, { agreed }, { plural }] = await Promise.all([
    import('../remote.ts'),
    import('../../jobs/garbage.ts'),
    import('../ask.ts'),
    import('../screen/words.ts'),
  ]);
  return withRemote(flags, async (remote) => {
    const before = Date.now() - (flags.olderThan ?? DEFAULT_AGE_MS);
    const found: (At<FileObject> & Remote['resources'][number])[] = [];
    for (const resource of remote.resources) {
      const { garbage } = await findGarbage(resource.service, { before, job: remote.job });
      for (const item of garbage) found.push({ ...resource, target: resource.name, item });
    }
    if (found.length === 0) {
      process.stderr.write('Nothing to delete: no finished job of ours left a file of that age.\n');
      return 0;
    }
    await showFiles(remote, found, flags.json === true);
    const what = `${plural(found.length, 'file')} of finished jobs`;
    if (!(await agreed(flags.yes, `Delete ${what}?`, `files gc would delete ${what}`))) return 1;
    for (const { service, item } of found) await service.deleteFile(item.id);
    process.stderr.write(`Deleted ${plural(found.length, 'file')}.\n`);
    return 0;
  });
}

async function showFiles(
  { resources }: Remote,
  files: readonly At<FileObject>[],
  json: boolean,
): Promise<void> {
  if (json) {
    for (const { target, item } of files) {
      process.stdout.write(`${JSON.stringify({ target, ...item })}\n`);
    }
    return;
  }
  if (files.length === 0) return;
  const [{ table }, { FILE_COLUMNS, TARGET_COLUMN }, { styleOf }] = await Promise.all([
    import('../screen/table.ts'),
    import('../screen/service-tables.ts'),
    import('../screen/style.ts'),
  ]);
  const columns = resources.length > 1 ? [TARGET_COLUMN, ...FILE_COLUMNS] : FILE_COLUMNS;
  process.stdout.write(`${table(columns, files, styleOf(process.stdout)).join('\n')}\n`);
}
