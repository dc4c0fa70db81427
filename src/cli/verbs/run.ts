import { Command } from 'commander';
import type { JobStatus } from '../../jobs/status.ts';
import { EXIT_FAILED } from '../exit.ts';
import { addGeneralFlags, addJobFlag, type Finish } from '../options/general.ts';
import { addQuotaFlags, addShardFlags, limitOptions, type ShardFlags } from '../options/limits.ts';
import { addOutputFlags, outputOf } from '../options/output.ts';
import { addRequestFlags, type RequestFlags, requestDefinition } from '../options/request.ts';
import { addServiceFlags, checkServiceFlags } from '../options/service.ts';
import { addSourceFlags, type SourceFlags, sourceOptions } from '../options/source.ts';
import type { SessionFlags } from '../session.ts';
import { count } from '../units.ts';

type RunFlags = SessionFlags &
  SourceFlags &
  RequestFlags &
  ShardFlags & { name?: string; sample?: number; yes?: boolean };

/** `millrace run`: the whole job. */
export function runCommand(finish: Finish): Command {
  const command = new Command('run')
    .summary('the whole job: prepare, submit, wait, collect')
    .description(
      'Sends every record of the sources through the Batch API and writes every row with its answer. ' +
        'The same command again, or resume, goes on where it was stopped.',
    )
    .usage('SOURCE... --job DIR --out FILE [options]')
    .argument('<source...>', 'files, globs, or - for standard input');
  addJobFlag(command);
  addSourceFlags(command);
  addRequestFlags(command);
  addServiceFlags(command);
  addQuotaFlags(addShardFlags(command))
    .option('--sample <count>', 'the first so many go alone; then stop and tell', (text) =>
      count(text, '--sample'),
    )
    .option('--yes', 'go on after the sample without stopping');
  addOutputFlags(command);
  addGeneralFlags(command, '--json', 'events as JSON lines on standard error');
  command.addHelpText(
    'after',
    `
Examples:
  millrace run reviews.csv --job reviews.job --out labels.ndjson \\
    --model gpt-4o-batch --base-model gpt-4o --prompt 'Label the mood of: {{text}}'
  millrace run 'data/*.ndjson.gz' --job d.job --out d.csv --model gpt-4o-batch --request body.json
  millrace run reviews.csv --job try.job --out try.ndjson --service local \\
    --model gpt-4o --prompt 'Label: {{text}}'        no key, no cost, made-up answers`,
  );
  return command.action((sources: string[], flags: RunFlags) => finish(() => run(sources, flags)));
}

async function run(sources: readonly string[], flags: RunFlags): Promise<number> {
  checkServiceFlags(flags);
  const options = sourceOptions(flags);
  const definition = requestDefinition(flags, flags.format);
  const { recall } = await import('../memory.ts');
  const out = outputOf(flags, await recall(flags.job));
  const { preflight } = await import('../preflight.ts');
  const { source, doubts } = await preflight(sources, options, definition, out);
  const [{ withSession }, { settingsOf }, { conclude }, { withSample }, { runBatchJob }] =
    await Promise.all([
      import('../session.ts'),
      import('../service.ts'),
      import('../conclude.ts'),
      import('../sample.ts'),
      import('../../jobs/run.ts'),
    ]);
  return withSession({ ...flags, out }, { mode: 'create' }, async (session) => {
    const { job, service, signal, wish, progress } = session;
    for (const doubt of doubts) progress.note(`note: ${doubt}`);
    const run = (onProgress: ((status: JobStatus) => void) | undefined) =>
      runBatchJob({
        onProgress,
        sample: flags.sample,
        sampleGoesOn: flags.yes === true,
        job,
        source,
        sourceOptions: options,
        request: definition,
        baseModel: flags.baseModel,
        models: flags.models,
        limits: limitOptions(flags),
        strict: flags.strict,
        workers: flags.workers,
        service: service.targets,
        signal,
        ...settingsOf(wish, service.local),
      });
    return (await withSample(session, flags.sample !== undefined, run))
      ? EXIT_FAILED
      : conclude(session, out);
  });
}
