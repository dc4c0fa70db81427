/** A duration drawn uniformly between two bounds, in seconds of the service's own time. */
export type Seconds = readonly [least: number, most: number];

/**
 * Everything in which services, regions and versions differ, as data. A profile is a full set;
 * single switches are laid over it.
 */
export interface Switches {
  /** Times on the wire: ISO 8601 with seven fraction digits, or whole seconds. */
  readonly timestamps: 'iso' | 'int';
  /** `Validating` or `validating`. */
  readonly statusCase: 'title' | 'lower';
  /** `request_counts` before the requests are known: nulls or zeros. */
  readonly unknownCounts: 'null' | 'zero';
  /** The `endpoint` of a batch object. */
  readonly endpointField: 'null' | 'absent' | 'set';
  /** Whether `in_progress_at` is ever filled. */
  readonly inProgressAt: 'null' | 'set';
  /** File ids of a batch that has no such file. */
  readonly emptyIds: 'null' | 'empty';
  /** Whether a batch without failures has an error file of no bytes. */
  readonly zeroByteErrorFile: boolean;
  /** What a failed batch looks like: `completed_at` set and two empty files, or `failed_at`. */
  readonly failedShape: 'completed_at' | 'failed_at';
  /** The `status` of a file object; one recorded object had null. */
  readonly fileStatus: 'set' | 'null';
  /** Whether the batch object has `model` and `usage`. */
  readonly batchUsage: boolean;
  /** Whether validation errors carry `line` and `param`. */
  readonly errorLines: boolean;
  /** Error bodies: `{code, message}` or `{message, type, param, code}`. */
  readonly errorEnvelope: 'azure' | 'openai';
  /** Ids: dashed and undashed UUIDs as Azure writes them, or OpenAI's short ones. */
  readonly ids: 'azure' | 'openai';
  readonly createStatus: 200 | 201;
  readonly uploadStatus: 200 | 201;
  /** The list of batches: under `data` or under `value`. */
  readonly listEnvelope: 'data' | 'value';
  /** Whether lists of batches have `object: "list"`. */
  readonly listObject: boolean;
  /** Order of the list of batches when the caller asks for none. */
  readonly listOrder: 'newest' | 'oldest';
  /** Who may use `$filter` and `$orderby` on the list of batches; others are not heard. */
  readonly listFilter: 'preview' | 'always' | 'never';
  readonly auth: 'api-key' | 'bearer' | 'both';
  /** Path prefixes that are served; `{d}` stands for a deployment's name. */
  readonly paths: readonly string[];
  /** Whether `/openai/...` wants an api-version in its query. */
  readonly apiVersion: 'required' | 'optional';
  /** Whether content is served in ranges. */
  readonly range: boolean;
  /** The header that names a request. */
  readonly requestIdHeader: 'apim-request-id' | 'x-request-id';

  /** What happens beyond the enqueued tokens: create answers 400, or the batch fails later. */
  readonly tokenLimit: 'refuse' | 'fail';
  /** Tokens that the service counts for one true input token. */
  readonly enqueuedTokenFactor: number;
  /** What the header on create counts: characters of prompt text, the charged tokens, or no header. */
  readonly enqueuedHeader: 'characters' | 'charged' | 'none';
  /** An input file that does not exist: create answers 400, or the batch fails later. */
  readonly unknownFile: 'refuse' | 'fail';
  /** A completion window other than 24h: create answers 400, or the batch fails later. */
  readonly badWindow: 'refuse' | 'fail';
  /** Whether the batch's endpoint has to be that of the lines. */
  readonly endpointMustMatch: boolean;
  /** The operations that lines may name, without `/v1`. */
  readonly endpoints: readonly string[];
  /** The code for a file without requests. */
  readonly emptyCode: 'empty_file' | 'empty_batch';
  /** Whether a byte order mark makes a file invalid. */
  readonly refuseBom: boolean;
  /** Code of a line that lacks what its operation needs. */
  readonly badLineCode: 'invalid_request' | 'missing_required_parameter';
  /** Whether a message whose content is null is an error of its line. */
  readonly refuseNullContent: boolean;
  readonly maxRequestsPerFile: number;
  readonly maxFileBytes: number;
  /** Whether a batch may have a blob for its input, and of how many bytes. */
  readonly blobs: boolean;
  readonly maxBlobBytes: number;
  /** First api-version that knows `input_blob`; earlier ones ignore it. Null for all. */
  readonly blobFrom: string | null;
  /** Input files without an expiry, and with one. */
  readonly maxFiles: number;
  readonly maxFilesWithExpiry: number;
  /** First api-version that heeds `expires_after`; earlier ones ignore it. Null for all. */
  readonly expiresAfterFrom: string | null;
  /** First api-version that knows the purpose `batch`. Null for all. */
  readonly batchFrom: string | null;
  /** Bounds of `expires_after.seconds`. */
  readonly expiresAfter: readonly [number, number];
  /** How long a batch input lives when the caller does not say; null for ever. */
  readonly inputLifeSeconds: number | null;
  readonly outputLifeSeconds: number | null;
  /** Whether a batch that is not done after 24 h becomes `expired`. */
  readonly expires: boolean;

  /** Whether lines carry `id: "batch_req_..."`. */
  readonly lineIds: boolean;
  /** Whether answers come in another order than the requests. */
  readonly shuffled: boolean;
  /** The file that lines with status 500 are written to. */
  readonly serverErrorsIn: 'output' | 'error';
  /** What becomes of the requests that an expired batch did not answer. */
  readonly expiredLines: 'error' | 'missing';
  /** What becomes of the requests that a cancelled batch did not answer. */
  readonly cancelledLines: 'error' | 'missing';
  /** The `model` of a chat answer: the base model's version, or what was asked for. */
  readonly chatModel: 'version' | 'asked';
  /** Whether `usage` of a chat answer has details. */
  readonly usageDetails: boolean;
  /** Whether chat answers carry content filter results. */
  readonly contentFilter: boolean;

  readonly pendingSeconds: Seconds;
  readonly validatingSeconds: Seconds;
  readonly runningSeconds: Seconds;
  /** Added to the running time for each request. */
  readonly secondsPerRequest: number;
  readonly finalizingSeconds: Seconds;
  readonly cancellingSeconds: Seconds;
}

// The guide's own curl line for the list of batches has no /openai before it: hence the empty one.
const ALL_PATHS = ['', '/openai', '/openai/v1', '/openai/deployments/{d}', '/v1'] as const;

const DAY_SECONDS = 24 * 60 * 60;

/** Azure, api-version 2024-10-21, as the SDK's output in the base documents shows it. */
const azure: Switches = {
  timestamps: 'int',
  statusCase: 'lower',
  unknownCounts: 'zero',
  endpointField: 'null',
  inProgressAt: 'null',
  emptyIds: 'null',
  zeroByteErrorFile: true,
  failedShape: 'completed_at',
  fileStatus: 'set',
  batchUsage: false,
  errorLines: true,
  errorEnvelope: 'azure',
  ids: 'azure',
  createStatus: 200,
  uploadStatus: 201,
  listEnvelope: 'data',
  listObject: false,
  listOrder: 'newest',
  listFilter: 'preview',
  auth: 'both',
  paths: ALL_PATHS,
  apiVersion: 'required',
  range: false,
  requestIdHeader: 'apim-request-id',

  tokenLimit: 'fail',
  enqueuedTokenFactor: 1.64,
  enqueuedHeader: 'characters',
  unknownFile: 'refuse',
  badWindow: 'fail',
  endpointMustMatch: true,
  endpoints: ['/chat/completions', '/responses'],
  emptyCode: 'empty_file',
  refuseBom: true,
  badLineCode: 'invalid_request',
  refuseNullContent: true,
  maxRequestsPerFile: 100_000,
  maxFileBytes: 200_000_000,
  blobs: true,
  maxBlobBytes: 1_000_000_000,
  blobFrom: '2025-04-01',
  maxFiles: 500,
  maxFilesWithExpiry: 10_000,
  expiresAfterFrom: '2025-03-01',
  batchFrom: '2024-07-01',
  expiresAfter: [259_200, 30 * DAY_SECONDS], // 3 days, the floor that was seen; 30 days
  inputLifeSeconds: null,
  outputLifeSeconds: null,
  expires: false,

  lineIds: false,
  shuffled: true,
  serverErrorsIn: 'error',
  expiredLines: 'error',
  cancelledLines: 'missing',
  chatModel: 'version',
  usageDetails: false,
  contentFilter: true,

  // The least and the most of the four jobs that the base documents recorded.
  pendingSeconds: [1, 5],
  validatingSeconds: [178, 396],
  runningSeconds: [138, 312],
  secondsPerRequest: 0,
  finalizingSeconds: [91, 252],
  cancellingSeconds: [5, 600],
};

/** The other recorded variant of 2024-10-21: the REST examples. */
const azureRest: Switches = {
  ...azure,
  timestamps: 'iso',
  statusCase: 'title',
  unknownCounts: 'null',
  endpointField: 'absent',
};

const azureV1: Switches = {
  ...azure,
  endpointField: 'set',
  inProgressAt: 'set',
  emptyIds: 'empty',
  listObject: true,
  apiVersion: 'optional',
  tokenLimit: 'refuse',
  endpointMustMatch: false,
  endpoints: ['/chat/completions', '/responses', '/embeddings'],
  expiresAfter: [14 * DAY_SECONDS, 30 * DAY_SECONDS],
};

const openai: Switches = {
  ...azure,
  endpointField: 'set',
  inProgressAt: 'set',
  zeroByteErrorFile: false,
  failedShape: 'failed_at',
  batchUsage: true,
  errorEnvelope: 'openai',
  ids: 'openai',
  uploadStatus: 200,
  listObject: true,
  listFilter: 'never',
  apiVersion: 'optional',
  requestIdHeader: 'x-request-id',
  tokenLimit: 'fail',
  enqueuedTokenFactor: 1,
  enqueuedHeader: 'none',
  unknownFile: 'fail',
  badWindow: 'refuse',
  endpoints: ['/chat/completions', '/responses', '/embeddings', '/completions'],
  refuseBom: false,
  badLineCode: 'missing_required_parameter',
  refuseNullContent: false,
  maxRequestsPerFile: 50_000,
  maxFilesWithExpiry: Number.MAX_SAFE_INTEGER,
  maxFiles: Number.MAX_SAFE_INTEGER,
  expiresAfterFrom: null,
  batchFrom: null,
  blobs: false,
  blobFrom: null,
  expiresAfter: [3600, 30 * DAY_SECONDS],
  inputLifeSeconds: 30 * DAY_SECONDS,
  outputLifeSeconds: 30 * DAY_SECONDS,
  expires: true,
  lineIds: true,
  serverErrorsIn: 'output',
  chatModel: 'asked',
  usageDetails: true,
  contentFilter: false,
  pendingSeconds: [0, 0],
  validatingSeconds: [20, 60],
  runningSeconds: [30, 60],
  finalizingSeconds: [2, 20],
};

/** `azure-rest` is `azure` as its REST examples print it. */
export const PROFILES = {
  azure,
  'azure-rest': azureRest,
  'azure-v1': azureV1,
  openai,
} as const satisfies Record<string, Switches>;

export type Profile = keyof typeof PROFILES;
