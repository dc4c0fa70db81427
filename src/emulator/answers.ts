import { randomUUID } from 'node:crypto';
import type { Outcome, Question } from './answering.ts';
import { type Answer, chatBody, token } from './bodies.ts';
import { randomOf } from './model.ts';
import type { Switches } from './profiles.ts';
import type { BatchRecord } from './records.ts';
import type { RequestLine } from './scan.ts';
import type { State } from './state.ts';

/** The deterministic model: the same request has the same answer. */
export function modelAnswerer(
  state: State,
): (batch: BatchRecord) => (questions: readonly Question[]) => Outcome[] {
  const { switches, seed, clock } = state.options;
  return () => (questions) => {
    const seconds = Math.floor(clock.now() / 1000);
    return questions.map((question) => {
      const { body } = question.request;
      const random = randomOf(body, seed);
      return outcomeOf(
        question.request,
        chatBody(body, random, question.tokens, seconds, switches),
        switches,
        token(random),
      );
    });
  };
}

/** Puts an answer into a line of the file that it belongs to. */
export function outcomeOf(
  request: RequestLine,
  answer: Answer,
  switches: Switches,
  unique: string,
): Outcome {
  const ok = answer.status >= 200 && answer.status < 300;
  const intoOutput = ok || (answer.status === 500 && switches.serverErrorsIn === 'output');
  const line = `{${lineId(switches, unique)}"custom_id":${JSON.stringify(request.custom_id)},"response":{"body":${answer.body},"request_id":"${randomUUID()}","status_code":${answer.status}},"error":null}\n`;
  return {
    output: intoOutput ? line : '',
    error: intoOutput ? '' : line,
    ok: intoOutput,
    inputTokens: answer.inputTokens,
    outputTokens: answer.outputTokens,
  };
}

const UNANSWERED = {
  batch_expired: 'This request could not be executed before the completion window expired.',
  batch_cancelled: 'This request was not executed because the batch was cancelled.',
} as const;

/** The line of a request that its batch never came to. */
export function unansweredLine(switches: Switches) {
  return ({ request, line }: Question, code: keyof typeof UNANSWERED): Outcome => ({
    output: '',
    error: `{${lineId(switches, `none${line}`)}"custom_id":${JSON.stringify(request.custom_id)},"response":null,"error":{"code":"${code}","message":"${UNANSWERED[code]}"}}\n`,
    ok: false,
    inputTokens: 0,
    outputTokens: 0,
  });
}

function lineId({ lineIds }: Switches, unique: string): string {
  return lineIds ? `"id":"batch_req_${unique}",` : '';
}
