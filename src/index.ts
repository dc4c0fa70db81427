/**
 * millrace as a library: a streaming pipeline for the Azure OpenAI Global Batch API. Exports stand
 * in the order of the data's way. The local service is `millrace/emulator`.
 */

// Streams: what stages are made of.

export { mapRecords } from './streams/records.ts';
export { asTransform, defineStage, type Stage } from './streams/stage.ts';

// Sources: bytes, files and iterables to records.

export {
  type Position,
  RejectedRecord,
  type RowError,
  type SourceItem,
  SourceRecord,
} from './core/record.ts';
export { type BatchLine, parseBatchFile } from './sources/batch-file.ts';
export { type CsvOptions, parseCsv } from './sources/csv.ts';
export type { SourceOptions } from './sources/describe.ts';
export { fromIterable } from './sources/iterable.ts';
export { type JsonOptions, parseJson } from './sources/json.ts';
export { type NdjsonOptions, parseNdjson } from './sources/ndjson.ts';
export { openSource } from './sources/read.ts';

// Requests: records to requests.

export {
  type Endpoint,
  PreparedRequest,
  type RequestBody,
  type RequestItem,
} from './core/request.ts';
export { buildRequests } from './requests/build-requests.ts';
export type { ImageDetail, RequestDefinition } from './requests/definition.ts';
export type { ChatMessage, ContentPart, RequestOptions } from './requests/options.ts';

// Tokens: requests to counted requests.

export { type CountedItem, CountedRequest } from './core/request.ts';
export type { TokenCounter } from './core/tokens.ts';
export { type CountTokensOptions, countTokens } from './tokens/count-tokens.ts';
export { type CounterOptions, createTokenCounter } from './tokens/counter.ts';
export { loadModelTable, type ModelTable } from './tokens/models.ts';

// The job and its shards: the durable boundary.

export { type Job, type OpenJobOptions, openJob } from './jobs/job.ts';
export { type Plan, type WriteShardsOptions, writeShards } from './jobs/write-shards.ts';
export type { LimitOptions } from './shards/limits.ts';

// Services: where the batches run.

export type { BatchService, Target, TokenCredential } from './core/service.ts';
export type { BlobOptions } from './service/blob/options.ts';
export { type AzureOptions, azureOpenAI, type OpenAIOptions, openAI } from './service/targets.ts';

// Submission: shards to batches, and what has come of them.

export { type JobStatus, readStatus } from './jobs/status.ts';
export { type Goal, type Submission, type SubmitOptions, submitShards } from './jobs/submission.ts';
export type { TargetStatus } from './jobs/target-status.ts';

// Join and sinks: answers back to their records, and out.

export type { ResultRow, RowAttempt, RowResponse, RowStatus } from './core/result.ts';
export type { Sink } from './core/sink.ts';
export type { StandardSchema } from './core/standard-schema.ts';
export { type OutputOptions, writeOutput } from './jobs/output.ts';
export { type JoinResultsOptions, joinResults } from './jobs/results.ts';
export type { AnswerShape } from './sinks/answer-columns.ts';
export { createSink, type SinkOptions } from './sinks/create-sink.ts';
export { toWritable } from './sinks/writable.ts';
export { type ResultsWriter, type WrittenResults, writeResults } from './sinks/write-results.ts';

// The whole job in one call, and its verbs.

export { cancelJob } from './jobs/cancel.ts';
export { type Estimate, type EstimateOptions, estimateJob } from './jobs/estimate.ts';
export { type PrepareOptions, prepareJob } from './jobs/prepare.ts';
export { purgeJob } from './jobs/purge.ts';
export type { RejectReason } from './jobs/reject-reasons.ts';
export { reopenFailed } from './jobs/reopen.ts';
export type { JobRequest } from './jobs/request.ts';
export { type ResumeOptions, type RunOptions, resumeBatchJob, runBatchJob } from './jobs/run.ts';
export type { JobSource } from './jobs/sources.ts';

// Errors.

export { MillraceError, ServiceError, UsageError } from './core/errors.ts';
