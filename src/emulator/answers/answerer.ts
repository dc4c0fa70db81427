import type { Answerer, Outcome, Question } from '../answering.ts';
import type { Faults } from '../faults/faults.ts';
import type { LineAction } from '../faults/rules.ts';
import type { BatchRecord } from '../records.ts';
import { operationOf } from '../scan.ts';
import type { State } from '../state.ts';
import type { Answer, Making } from './answer.ts';
import { chatAnswer } from './chat.ts';
import { embeddingsAnswer } from './embeddings.ts';
import { distort, errorAnswer, faultyAnswer, outcomeOf } from './output-lines.ts';
import { responsesAnswer } from './responses.ts';
import { isObject, type PromptCounter, promptCounter } from './tokens.ts';
import { askUpstream } from './upstream.ts';
import { randomOf } from './words.ts';

/** A request as a user's own answering function sees it. */
export interface EmulatedRequest {
  readonly custom_id: string;
  readonly method: string;
  readonly url: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Id of the batch. */
  readonly batch: string;
  /** Line of the input file, from 1. */
  readonly line: number;
}

/** What it may answer: a text, which is put into a body of the right kind; or a whole body. */
export type EmulatedResponse = string | { readonly status_code?: number; readonly body: unknown };

/** Makes the answerer of a batch: upstream, the user's function, or the deterministic model. */
export async function answererOf(
  state: State,
  faults: Faults,
  batch: BatchRecord,
): Promise<Answerer> {
  const { options } = state;
  const counter = await promptCounter(batch.deployment ?? '');
  const { upstream, answer: user } = options;
  const model = modelOf(state, counter);
  const outcome = (question: Question, given: Answer, lineFaults: readonly LineAction[]) =>
    distort(
      outcomeOf(question.request, given, options.switches),
      lineFaults,
      question.request.custom_id,
    );
  const faultsOf = (question: Question) =>
    faults.touchesLines
      ? faults.forLine(batch.number, question.line, question.request.custom_id)
      : [];
  if (upstream === null && user === undefined) {
    return {
      width: 1,
      now: (question) => {
        const lineFaults = faultsOf(question);
        return (
          faulty(question, lineFaults, state) ??
          outcome(question, model(question, null), lineFaults)
        );
      },
    };
  }
  return {
    width: options.concurrency,
    later: async (question, signal): Promise<Outcome> => {
      const lineFaults = faultsOf(question);
      const instead = faulty(question, lineFaults, state);
      if (instead !== undefined) return instead;
      const given =
        upstream !== null
          ? await askUpstream(upstream, question, signal)
          : await askUser(question, batch, state, model);
      return outcome(question, given, lineFaults);
    },
  };
}

function faulty(
  question: Question,
  lineFaults: readonly LineAction[],
  { options }: State,
): Outcome | undefined {
  const { switches } = options;
  const nullContent = switches.refuseNullContent && hasNullContent(question.request.body);
  const instead = nullContent
    ? { answer: errorAnswer(400, switches), into: undefined }
    : faultyAnswer(lineFaults, switches);
  if (instead === undefined) return undefined;
  const outcome = outcomeOf(question.request, instead.answer, switches, instead.into);
  return distort(outcome, lineFaults, question.request.custom_id);
}

/** A message without content is refused, unless it carries tool calls in its place. */
function hasNullContent(body: Readonly<Record<string, unknown>>): boolean {
  const { messages } = body;
  if (!Array.isArray(messages)) return false;
  return messages.some(
    (message) => isObject(message) && message.content === null && message.tool_calls === undefined,
  );
}

type Model = (question: Question, given: string | null) => Answer;

/** The deterministic model: the same request has the same answer. */
function modelOf({ options }: State, counter: PromptCounter): Model {
  const { switches, seed, clock } = options;
  return (question, given) => {
    const { body, url } = question.request;
    const making: Making = {
      random: randomOf(body, seed),
      inputTokens: question.tokens,
      now: Math.floor(clock.now() / 1000),
      switches,
      counter,
      given,
    };
    const operation = operationOf(url);
    if (operation === '/responses') return responsesAnswer(body, making);
    if (operation === '/embeddings') return embeddingsAnswer(body, making);
    return chatAnswer(body, making);
  };
}

/** The answer of the user's function. What it throws becomes a line with status 500. */
async function askUser(
  question: Question,
  batch: BatchRecord,
  { options, failed }: State,
  model: Model,
): Promise<Answer> {
  const { custom_id, method, url, body } = question.request;
  const request: EmulatedRequest = {
    custom_id,
    method,
    url,
    body,
    batch: batch.id,
    line: question.line,
  };
  try {
    const response = await options.answer?.(request);
    if (typeof response === 'string') return model(question, response);
    if (response === undefined) return model(question, null);
    const usage =
      isObject(response.body) && isObject(response.body.usage) ? response.body.usage : {};
    return {
      status: response.status_code ?? 200,
      body: JSON.stringify(response.body),
      inputTokens: Number(usage.prompt_tokens ?? usage.input_tokens ?? 0),
      outputTokens: Number(usage.completion_tokens ?? usage.output_tokens ?? 0),
    };
  } catch (error) {
    failed(error);
    return errorAnswer(500, options.switches);
  }
}
