import { CATALOGUE, fill } from './http/errors.ts';
import type { BatchRecord, ValidationError } from './records.ts';
import { operationOf } from './scan.ts';
import type { State } from './state.ts';

/** Why a batch fails, from what its file holds and what was asked for; empty when it may run. */
export function validate(batch: BatchRecord, state: State): readonly ValidationError[] {
  const { facts } = batch;
  const { options } = state;
  const { switches } = options;
  if (batch.completionWindow !== '24h') {
    return [whole('invalid_request', "The completion window must be '24h'.", 'completion_window')];
  }
  if (batch.blob?.refusal) return [batch.blob.refusal];
  if (facts === null) {
    return [whole('invalid_request', `Cannot find file ${batch.inputFileId}.`)];
  }
  if (facts.requests === 0) {
    return [
      whole(
        switches.emptyCode,
        'The input file is empty. Please ensure that the batch contains at least one request.',
      ),
    ];
  }
  if (facts.errors.length > 0) return facts.errors;
  if (switches.endpointMustMatch && facts.url !== operationOf(batch.endpoint)) {
    const line = switches.errorLines ? 1 : null;
    return [
      {
        code: 'url_mismatch',
        message: `The url of the requests does not match the batch's endpoint ${batch.endpoint}.`,
        line,
        param: switches.errorLines ? 'url' : null,
      },
    ];
  }
  const { deployment } = batch;
  if (deployment !== null && options.deployments !== null && !options.deployments.has(deployment)) {
    return [
      {
        code: 'model_not_found',
        message: `The model or deployment '${deployment}' does not exist.`,
        line: switches.errorLines ? 1 : null,
        param: switches.errorLines ? 'body.model' : null,
      },
    ];
  }
  if (batch.fate?.end === 'failed' && batch.fate.share === 0) return batch.fate.errors;
  if (!batch.charged) return [tokenLimitError(deployment ?? '', state)];
  return [];
}

/** The error of a batch that went beyond its deployment's enqueued tokens. */
function tokenLimitError(deployment: string, { options, quota }: State): ValidationError {
  const { azure, openai } = CATALOGUE.tokenLimit;
  const style = options.switches.errorEnvelope === 'azure' ? azure : openai;
  const message = fill(style.message, {
    model: deployment,
    limit: limitText(quota.enqueuedTokens),
  });
  return whole('token_limit_exceeded', message.replace(/^token_limit_exceeded: /, ''));
}

/** Told by a fault where the deployments have no limit: that of the recorded message. */
const RECORDED_LIMIT = 30_000; // tokens

/** 30K and 2M as the service writes them where the number is round. */
export function limitText(enqueuedTokens: number | null): string {
  const limit = enqueuedTokens ?? RECORDED_LIMIT;
  if (limit >= 1_000_000 && limit % 1_000_000 === 0) return `${limit / 1_000_000}M`;
  if (limit >= 1000 && limit % 1000 === 0) return `${limit / 1000}K`;
  return String(limit);
}

function whole(code: string, message: string, param: string | null = null): ValidationError {
  return { code, message, line: null, param };
}
