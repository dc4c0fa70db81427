import { UsageError } from '../../core/errors.ts';
import type { Answerer, Outcome, Question } from '../answering.ts';
import type { Faults } from '../faults/faults.ts';
import type { LineAction } from '../faults/rules.ts';
import type { BatchRecord } from '../records.ts';
import { operationOf } from '../scan.ts';
import type { State } from '../state.ts';
import { type Answer, answerOf, type Json, type Making, numberOf } from './answer.ts';
import { chatAnswer } from './chat.ts';
import { completionsAnswer } from './completions.ts';
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
          : await askUser(question, batch, state, model, signal);
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
function modelOf({ options, failed }: State, counter: PromptCounter): Model {
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
    try {
      return ANSWERS[operationOf(url)]?.(body, making) ?? chatAnswer(body, making);
    } catch (error) {
      // One odd request is a line and not the end of its batch.
      failed(error);
      return errorAnswer(500, switches);
    }
  };
}

/** What answers an operation; chat answers the rest. */
const ANSWERS: Readonly<Record<string, (body: Json, making: Making) => Answer>> = {
  '/responses': responsesAnswer,
  '/embeddings': embeddingsAnswer,
  '/completions': completionsAnswer,
};

/**
 * The answer of the user's function. What it throws, and what is no answer, becomes a line with
 * status 500. Rejects when the signal aborts, whatever the function does then.
 */
async function askUser(
  question: Question,
  batch: BatchRecord,
  { options, failed }: State,
  model: Model,
  signal: AbortSignal,
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
    const response: unknown = await untilAborted(signal, async () => options.answer?.(request));
    if (typeof response === 'string') return model(question, response);
    if (response === undefined) return model(question, null);
    if (!isObject(response) || response.body === undefined) {
      throw new UsageError(
        'answer must return a text, or { status_code, body } with a body, or nothing',
      );
    }
    return answerOf(numberOf(response.status_code, 200), response.body);
  } catch (error) {
    if (signal.aborted) throw error;
    failed(error);
    return errorAnswer(500, options.switches);
  }
}

/** What `ask` answers, or a rejection as soon as the signal aborts. */
async function untilAborted<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([ask(), promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
