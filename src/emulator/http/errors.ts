import type { Switches } from '../profiles.ts';

/** What one refusal says, in each of the two envelopes. */
interface Entry {
  readonly status: number;
  readonly azure: { readonly code: string; readonly message: string };
  readonly openai: {
    readonly code: string | null;
    readonly message: string;
    readonly type?: string;
    readonly param?: string;
  };
}

/**
 * Every refusal that the service gives over HTTP. `{name}` in a message is filled from the details
 * of the call. A message without a source in the reference is our guess; docs/emulator.md says which.
 */
export const CATALOGUE = {
  unauthorized: {
    status: 401,
    azure: {
      code: '401',
      message:
        'Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.',
    },
    openai: { code: 'invalid_api_key', message: 'Incorrect API key provided.' },
  },
  wrongHost: {
    status: 421,
    azure: { code: '421', message: 'The Host header does not name this service.' },
    openai: { code: null, message: 'The Host header does not name this service.' },
  },
  noRoute: {
    status: 404,
    azure: { code: '404', message: 'Resource not found' },
    openai: { code: null, message: 'Invalid URL ({method} {path})' },
  },
  fileNotFound: {
    status: 404,
    azure: { code: 'notFound', message: 'File with id {id} not found.' },
    openai: { code: null, message: 'No such File object: {id}', param: 'id' },
  },
  batchNotFound: {
    status: 404,
    azure: { code: 'notFound', message: 'Batch with id {id} not found.' },
    openai: { code: null, message: "No batch found with id '{id}'." },
  },
  badJson: {
    status: 400,
    azure: { code: 'invalidPayload', message: 'The request body is not valid JSON.' },
    openai: { code: null, message: 'We could not parse the JSON body of your request.' },
  },
  bodyTooLarge: {
    status: 413,
    azure: { code: 'invalidPayload', message: 'The request body is too large.' },
    openai: { code: null, message: 'The request body is too large.' },
  },
  badContentType: {
    status: 415,
    azure: { code: 'invalidPayload', message: 'Unsupported content type.' },
    openai: { code: null, message: 'Unsupported content type.' },
  },
  badRequest: {
    status: 400,
    azure: { code: 'invalidPayload', message: '{text}' },
    openai: { code: null, message: '{text}' },
  },
  missingParameter: {
    status: 400,
    azure: { code: 'invalidPayload', message: "The parameter '{param}' is required." },
    openai: {
      code: 'missing_required_parameter',
      message: "Missing required parameter: '{param}'.",
      param: '{param}',
    },
  },
  invalidParameter: {
    status: 400,
    azure: { code: 'invalidPayload', message: 'Invalid value for {param}.' },
    openai: {
      code: 'invalid_value',
      message: "Invalid value for '{param}'.",
      param: '{param}',
    },
  },
  wrongSuffix: {
    status: 400,
    azure: {
      code: 'invalidPayload',
      message: 'fileName contains an invalid filename: wrong suffix.',
    },
    openai: { code: null, message: 'Invalid file format for Batch API. Must be .jsonl' },
  },
  noFileType: {
    status: 400,
    azure: {
      code: 'invalidPayload',
      message: 'The file has no or an empty content type specified',
    },
    openai: { code: null, message: 'The file has no or an empty content type specified' },
  },
  fileTooLarge: {
    status: 400,
    azure: { code: 'invalidPayload', message: 'File is too large.' },
    openai: { code: null, message: 'File is too large.' },
  },
  fileQuota: {
    status: 400,
    azure: {
      code: 'quotaExceeded',
      message: 'The quota for files without expiry is reached. The maximum is {max}.',
    },
    openai: {
      code: 'quotaExceeded',
      message: 'The quota for files without expiry is reached. The maximum is {max}.',
    },
  },
  expiringFileQuota: {
    status: 400,
    azure: {
      code: 'quotaExceeded',
      message: 'The quota for files with expiry is reached. The maximum is {max}.',
    },
    openai: {
      code: 'quotaExceeded',
      message: 'The quota for files with expiry is reached. The maximum is {max}.',
    },
  },
  filePending: {
    status: 400,
    azure: {
      code: 'invalidPayload',
      message:
        "The input file '{id}' is in '{status}' state. Only files with status 'Processed' are accepted for batch inferencing. Please check the file status and try again",
    },
    openai: { code: null, message: "The input file '{id}' is not processed yet." },
  },
  wrongPurpose: {
    status: 400,
    azure: { code: 'invalidPayload', message: "The purpose of file '{id}' is not 'batch'." },
    openai: {
      code: 'invalid_value',
      message: "The input file's purpose must be 'batch'.",
      param: 'input_file_id',
    },
  },
  tokenLimit: {
    status: 400,
    azure: {
      code: 'token_limit_exceeded',
      message:
        "token_limit_exceeded: The number of enqueued tokens has surpassed the configured limit of {limit} for the deployment '{model}'. Please either increase the limit or try again once the current jobs have finished.",
    },
    openai: {
      code: 'token_limit_exceeded',
      message:
        'Enqueued token limit reached for {model} in organization org-emulator. Limit: {limit} enqueued tokens. Please try again once some in_progress batches have been completed.',
    },
  },
  badRange: {
    status: 416,
    azure: { code: '416', message: 'The requested range cannot be satisfied.' },
    openai: { code: null, message: 'The requested range cannot be satisfied.' },
  },
  modelNotFound: {
    status: 404,
    azure: {
      code: 'DeploymentNotFound',
      message: 'The API deployment for this resource does not exist.',
    },
    openai: {
      code: 'model_not_found',
      message: "The model '{id}' does not exist or you do not have access to it.",
    },
  },
  invalidDeploymentType: {
    status: 400,
    azure: {
      code: 'invalid_deployment_type',
      message: 'The deployment type of the model does not support batch.',
    },
    openai: { code: 'invalid_deployment_type', message: 'The model does not support batch.' },
  },
  billingLimit: {
    status: 400,
    azure: { code: 'billing_hard_limit_reached', message: 'Billing hard limit has been reached.' },
    openai: {
      code: 'billing_hard_limit_reached',
      message: 'Billing hard limit has been reached.',
      type: 'billing_limit_user_error',
    },
  },
  forbidden: {
    status: 403,
    azure: {
      code: 'PermissionDenied',
      message: 'The principal lacks the required data action to perform this operation.',
    },
    openai: { code: null, message: 'You have insufficient permissions for this operation.' },
  },
  tooManyRequests: {
    status: 429,
    azure: { code: '429', message: 'Rate limit is exceeded. Try again later.' },
    openai: {
      code: 'rate_limit_exceeded',
      message: 'Rate limit reached. Please try again later.',
      type: 'requests',
    },
  },
  notCancellable: {
    status: 409,
    azure: {
      code: 'conflict',
      message: "Cannot cancel a batch with status '{status}'.",
    },
    openai: { code: null, message: "Cannot cancel a batch with status '{status}'." },
  },
  internal: {
    status: 500,
    azure: { code: 'internalFailure', message: 'An error occurred while processing the request.' },
    openai: {
      code: 'server_error',
      message: 'An error occurred while processing your request.',
      type: 'server_error',
    },
  },
} as const satisfies Record<string, Entry>;

export type WireCode = keyof typeof CATALOGUE;
export type Details = Readonly<Record<string, string | number>>;

/** A refusal on its way to the wire. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly entry: WireCode;
  readonly details: Details;

  constructor(entry: WireCode, details: Details = {}) {
    super(entry);
    this.entry = entry;
    this.details = details;
  }
}

/** Status and body of a refusal. */
export function renderError(
  error: WireError,
  switches: Pick<Switches, 'errorEnvelope'>,
): { status: number; body: unknown } {
  const entry: Entry = CATALOGUE[error.entry];
  if (switches.errorEnvelope === 'azure') {
    const { code, message } = entry.azure;
    return {
      status: entry.status,
      body: { error: { code, message: fill(message, error.details) } },
    };
  }
  const { code, message, type = 'invalid_request_error', param } = entry.openai;
  return {
    status: entry.status,
    body: {
      error: {
        message: fill(message, error.details),
        type,
        param: param === undefined ? null : fill(param, error.details),
        code,
      },
    },
  };
}

/** Puts the details in the places of a message. */
export function fill(message: string, details: Details): string {
  return message.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
}
