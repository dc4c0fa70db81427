import { Command } from 'commander';
import { addGeneralFlags, type Finish } from '../options/general.ts';
import {
  addEnqueuedTokensFlag,
  addShardFlags,
  limitOptions,
  type ShardFlags,
} from '../options/limits.ts';
import { addRequestFlags, type RequestFlags, requestDefinition } from '../options/request.ts';
import { addSourceFlags, type SourceFlags, sourceOptions } from '../options/source.ts';
import { count } from '../units.ts';

type EstimateFlags = SourceFlags &
  RequestFlags &
  ShardFlags & { json?: boolean; enqueuedTokens?: number; sample?: true | number };

/** Requests of a sample whose number is not given. */
const SAMPLE = 2000;

/** `millrace estimate`: what a job would come to. */
export function estimateCommand(finish: Finish): Command {
  const command = new Command('estimate')
    .summary('count requests, tokens, shards and price beforehand')
    .description(
      'Reads and counts everything exactly as a run would. Sends nothing and writes nothing. With --sample the tokens of most requests are told by those of some, and how far off that can be; records and bytes stay exact.',
    )
    .usage('SOURCE... [options]')
    .argument('<source...>', 'files, globs, or - for standard input');
  addSourceFlags(command);
  addRequestFlags(command);
  addEnqueuedTokensFlag(addShardFlags(command)).option(
    '--sample [count]',
    `count so many requests, chosen at random, and tell the tokens of all from them (${SAMPLE})`,
    (text) => count(text, '--sample'),
  );
  addGeneralFlags(command, '--json', 'one JSON object on standard output');
  command.addHelpText(
    'after',
    `
Example:
  millrace estimate reviews.csv --model gpt-4o-batch --base-model gpt-4o \\
    --prompt 'Label: {{text}}' --enqueued-tokens 90k`,
  );
  return command.action((sources: string[], flags: EstimateFlags) =>
    finish(() => estimate(sources, flags)),
  );
}

async function estimate(sources: readonly string[], flags: EstimateFlags): Promise<number> {
  const options = sourceOptions(flags);
  const definition = requestDefinition(flags, flags.format);
  const [{ preflight }, { estimateJob }, share, { interruptible }, screen] = await Promise.all([
    import('../preflight.ts'),
    import('../../jobs/estimate.ts'),
    import('../shard-share.ts'),
    import('../interrupt.ts'),
    import('../screen/plan.ts'),
  ]);
  const { source, doubts } = await preflight(sources, options, definition, null);
  for (const doubt of doubts) process.stderr.write(`note: ${doubt}\n`);
  const made = await interruptible((signal) =>
    estimateJob({
      source,
      sourceOptions: options,
      request: definition,
      baseModel: flags.baseModel,
      models: flags.models,
      limits: limitOptions(flags),
      defaultLimits: { maxTokens: share.shardShare(flags.enqueuedTokens) },
      strict: flags.strict,
      enqueuedTokens: flags.enqueuedTokens,
      enqueuedTokenFactor: share.TOKEN_FACTOR,
      sample: flags.sample === true ? SAMPLE : flags.sample,
      signal,
    }),
  );
  if (flags.json) process.stdout.write(`${JSON.stringify(made)}\n`);
  else screen.showEstimate(made, flags.enqueuedTokens ?? null, flags.endpoint);
  return 0;
}
