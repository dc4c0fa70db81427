import type { TargetStatus } from '../../jobs/target-status.ts';
import { number, plural } from './words.ts';

/** How a job stands with a target, in a line. */
export function targetInWords(target: TargetStatus): string {
  const { resource, deployment, batches, tokens, files, state, reason } = target;
  const of = tokens.limit === null ? '' : ` of ${number(tokens.limit)}`;
  const learned = tokens.learned === null ? '' : `, ${number(tokens.learned)} by refusals`;
  const others = tokens.others === 0 ? '' : `, others about ${number(tokens.others)}`;
  // Blobs are not counted.
  const most = files.most >= Number.MAX_SAFE_INTEGER ? '' : ` of ${number(files.most)}`;
  const parts = [
    ...(state === 'drained' ? [`takes no more: ${reason}`] : []),
    ...(state === 'failing' ? ['does not answer'] : []),
    resource + (deployment === null ? '' : ` ${deployment}`),
    `${plural(batches, 'batch', 'batches')}, ${number(tokens.held)}${of} tokens${learned}${others}`,
    `${number(files.ours + files.others)}${most} files`,
  ];
  return parts.join('; ');
}

const LABEL_CELLS = 9;

/** What stands before that line: a job's only target has no name of its own. */
export function targetLabel({ name }: TargetStatus): string {
  return name === 'default' ? 'service' : name.slice(0, LABEL_CELLS);
}
