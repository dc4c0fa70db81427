import { Command } from 'commander';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';
import {
  addEnqueuedTokensFlag,
  addShardFlags,
  limitOptions,
  type ShardFlags,
} from '../options/limits.ts';
import { addRequestFlags, type RequestFlags, requestDefinition } from '../options/request.ts';
import { addSourceFlags, type SourceFlags, sourceOptions } from '../options/source.ts';

type PrepareFlags = SourceFlags &
  RequestFlags &
  ShardFlags & { job: string; json?: boolean; enqueuedTokens?: number };

/** `millrace prepare`: shards on disk; nothing is sent. */
export function prepareCommand(finish: Finish): Command {
  const command = new Command('prepare')
    .summary('seal the shards on disk; nothing is sent')
    .description('Reads the sources and seals their requests into shards. Needs no service.')
    .usage('SOURCE... --job DIR [options]')
    .argument('<source...>', 'files, globs, or - for standard input');
  addJobFlag(command);
  addSourceFlags(command);
  addRequestFlags(command);
  addEnqueuedTokensFlag(addShardFlags(command));
  addGeneralFlags(command, '--json', 'the plan as JSON on standard output');
  command.addHelpText(
    'after',
    `
Examples:
  millrace prepare reviews.csv --job reviews.job --model gpt-4o-batch --base-model gpt-4o \\
    --prompt 'Label: {{text}}'
  millrace submit --job reviews.job --once      then send what the quota admits`,
  );
  return command.action((sources: string[], flags: PrepareFlags) =>
    finish(() => prepare(sources, flags)),
  );
}

async function prepare(sources: readonly string[], flags: PrepareFlags): Promise<number> {
  const options = sourceOptions(flags);
  const definition = requestDefinition(flags, flags.format);
  const [{ preflight }, { withJob }, { prepareJob }, { shardShare }, screen] = await Promise.all([
    import('../preflight.ts'),
    import('../session.ts'),
    import('../../jobs/prepare.ts'),
    import('../shard-share.ts'),
    import('../screen/plan.ts'),
  ]);
  const { source, doubts } = await preflight(sources, options, definition, null);
  return withJob(flags.job, async ({ job, signal, progress }) => {
    for (const doubt of doubts) progress.note(`note: ${doubt}`);
    const plan = await prepareJob(job, {
      source,
      sourceOptions: options,
      request: definition,
      baseModel: flags.baseModel,
      models: flags.models,
      limits: limitOptions(flags),
      defaultLimits: { maxTokens: shardShare(flags.enqueuedTokens) },
      strict: flags.strict,
      workers: flags.workers,
      signal,
    });
    await progress.stop();
    if (flags.json) process.stdout.write(`${JSON.stringify(plan)}\n`);
    else screen.showPlan(job, plan);
    return plan.rejected > 0 ? 2 : 0;
  });
}
