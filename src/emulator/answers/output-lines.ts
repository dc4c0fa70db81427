import { randomUUID } from 'node:crypto';
import type { Outcome, Question } from '../answering.ts';
import type { LineAction } from '../faults/rules.ts';
import type { Switches } from '../profiles.ts';
import type { RequestLine } from '../scan.ts';
import type { Answer } from './answer.ts';

/** Puts an answer into a line of the file that it belongs to. */
export function outcomeOf(
  request: RequestLine,
  answer: Answer,
  switches: Switches,
  into?: 'output' | 'error',
): Outcome {
  const ok = answer.status >= 200 && answer.status < 300;
  const usual = ok || (answer.status === 500 && switches.serverErrorsIn === 'output');
  const inOutput = into === undefined ? usual : into === 'output';
  const line = lineOf(request.custom_id, answer, switches);
  return {
    output: inOutput ? line : '',
    error: inOutput ? '' : line,
    ok: inOutput,
    inputTokens: answer.inputTokens,
    outputTokens: answer.outputTokens,
  };
}

function lineOf(customId: string, answer: Answer, switches: Switches): string {
  return `{${lineId(switches)}"custom_id":${JSON.stringify(customId)},"response":{"body":${answer.body},"request_id":"${randomUUID()}","status_code":${answer.status}},"error":null}\n`;
}

function lineId({ lineIds }: Switches): string {
  return lineIds ? `"id":"batch_req_${randomUUID().replaceAll('-', '')}",` : '';
}

const UNANSWERED = {
  batch_expired: 'This request could not be executed before the completion window expired.',
  batch_cancelled: 'This request was not executed because the batch was cancelled.',
} as const;

export type UnansweredCode = keyof typeof UNANSWERED;

/** The line of a request that its batch never came to. */
export function unansweredLine(
  { request }: Question,
  code: UnansweredCode,
  switches: Switches,
): Outcome {
  return {
    output: '',
    error: `{${lineId(switches)}"custom_id":${JSON.stringify(request.custom_id)},"response":null,"error":{"code":"${code}","message":"${UNANSWERED[code]}"}}\n`,
    ok: false,
    inputTokens: 0,
    outputTokens: 0,
  };
}

/** An answer that is an error of the model's own service. */
export function errorAnswer(status: number, switches: Switches): Answer {
  const { code, message, type } = ERRORS[status] ?? {
    code: String(status),
    message: `The request failed with status ${status}.`,
    type: 'invalid_request_error',
  };
  const error =
    switches.errorEnvelope === 'azure'
      ? { code: String(status), message }
      : { message, type, param: null, code };
  return {
    status,
    body: status === 0 ? '{}' : JSON.stringify({ error }),
    inputTokens: 0,
    outputTokens: 0,
  };
}

const ERRORS: Readonly<Record<number, { code: string; message: string; type: string }>> = {
  429: {
    code: 'rate_limit_exceeded',
    message: 'Rate limit is exceeded. Try again later.',
    type: 'requests',
  },
  500: {
    code: 'server_error',
    message: 'An error occurred while processing your request.',
    type: 'server_error',
  },
  503: {
    code: 'service_unavailable',
    message: 'The service is temporarily unable to process your request.',
    type: 'server_error',
  },
};

/** The body of a prompt that the content filter stopped, as synchronous calls show it. */
const FILTERED: Answer = {
  status: 400,
  body: JSON.stringify({
    error: {
      message:
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.",
      type: null,
      param: 'prompt',
      code: 'content_filter',
      status: 400,
      innererror: {
        code: 'ResponsibleAIPolicyViolation',
        content_filter_result: {
          hate: { filtered: true, severity: 'medium' },
          jailbreak: { filtered: false, detected: false },
        },
      },
    },
  }),
  inputTokens: 0,
  outputTokens: 0,
};

/** The answer that replaces the model's, if one of the faults says so. */
export function faultyAnswer(
  faults: readonly LineAction[],
  switches: Switches,
): { answer: Answer; into: 'output' | 'error' | undefined } | undefined {
  for (const fault of faults) {
    if (fault.do === 'content-filter') return { answer: FILTERED, into: fault.into };
    if (fault.do === 'status') {
      // Lines with status 0 were seen among the completed ones.
      const into = fault.into ?? (fault.status === 0 ? 'output' : undefined);
      return { answer: errorAnswer(fault.status, switches), into };
    }
  }
  return undefined;
}

/** What the remaining faults make of an outcome. */
export function distort(
  outcome: Outcome,
  faults: readonly LineAction[],
  customId: string,
): Outcome {
  let { output, error } = outcome;
  for (const fault of faults) {
    if (fault.do === 'missing') {
      output = '';
      error = '';
    } else if (fault.do === 'duplicate') {
      const line = output + error;
      if (fault.into === 'both') {
        output = line;
        error = line;
      } else {
        output += output;
        error += error;
      }
    } else if (fault.do === 'unknown-id') {
      const stranger = JSON.stringify(`unknown-${customId}`);
      const copy = (text: string) =>
        text === ''
          ? ''
          : text + text.replace(/"custom_id":"(?:[^"\\]|\\.)*"/, () => `"custom_id":${stranger}`);
      output = copy(output);
      error = copy(error);
    } else if (fault.do === 'raw-separators') {
      const odd = '\u2028\u2029\u0085';
      output = output.replace(/"(content|text)":"/, (key) => key + odd);
    }
  }
  return { ...outcome, output, error };
}
