/**
 * millrace as a library: a streaming pipeline for the Azure OpenAI Global Batch API. Exports stand
 * in the order of the data's way. The local service is `millrace/emulator`.
 */

// Errors.
export { MillraceError, ServiceError, UsageError } from './core/errors.ts';
// Sources: bytes to records.
export type { Position, RowError, SourceItem } from './core/record.ts';
export { RejectedRecord, SourceRecord } from './core/record.ts';
// Requests: records to requests.
export type { CountedItem, Endpoint, RequestBody, RequestItem } from './core/request.ts';
export { CountedRequest, PreparedRequest } from './core/request.ts';
// Join and sinks: answers back to their records.
export type { ResultRow, RowAttempt, RowResponse, RowStatus } from './core/result.ts';
// Service: where the batches run.
export type { BatchService, Target, TokenCredential } from './core/service.ts';
export type { Sink } from './core/sink.ts';
// Tokens: requests to counted requests.
export type { TokenCounter } from './core/tokens.ts';
// The whole job in one call, and its parts.
export type { Estimate, EstimateOptions } from './jobs/estimate.ts';
export { estimateJob } from './jobs/estimate.ts';
// Shards: the durable boundary.
export type { Job, OpenJobOptions } from './jobs/job.ts';
export { openJob } from './jobs/job.ts';
export type { OutputOptions } from './jobs/output.ts';
export { writeOutput } from './jobs/output.ts';
export type { PrepareOptions } from './jobs/prepare.ts';
export { prepareJob } from './jobs/prepare.ts';
export { purgeJob } from './jobs/purge.ts';
export { reopenFailed } from './jobs/reopen.ts';
export type { JobRequest } from './jobs/request.ts';
export { joinResults } from './jobs/results.ts';
export type { ResumeOptions, RunOptions } from './jobs/run.ts';
export { resumeBatchJob, runBatchJob } from './jobs/run.ts';
export type { JobSource } from './jobs/sources.ts';
export type { JobStatus } from './jobs/status.ts';
// Submission: shards to batches, batches to answers.
export type { Goal, Submission, SubmitOptions } from './jobs/submission.ts';
export { submitShards } from './jobs/submission.ts';
export type { Plan, WriteShardsOptions } from './jobs/write-shards.ts';
export { writeShards } from './jobs/write-shards.ts';
export { buildRequests } from './requests/build-requests.ts';
export type { RequestDefinition } from './requests/definition.ts';
export type { ChatMessage, ContentPart, RequestOptions } from './requests/options.ts';
export type { AzureOptions, OpenAIOptions } from './service/targets.ts';
export { azureOpenAI, openAI } from './service/targets.ts';
export type { LimitOptions } from './shards/limits.ts';
export type { SinkOptions } from './sinks/create-sink.ts';
export { createSink } from './sinks/create-sink.ts';
export { toWritable } from './sinks/writable.ts';
export type { ResultsWriter, WrittenResults } from './sinks/write-results.ts';
export { writeResults } from './sinks/write-results.ts';
export type { BatchLine } from './sources/batch-file.ts';
export { parseBatchFile } from './sources/batch-file.ts';
export type { CsvOptions } from './sources/csv.ts';
export { parseCsv } from './sources/csv.ts';
export type { SourceOptions } from './sources/describe.ts';
export { fromIterable } from './sources/iterable.ts';
export type { JsonOptions } from './sources/json.ts';
export { parseJson } from './sources/json.ts';
export type { NdjsonOptions } from './sources/ndjson.ts';
export { parseNdjson } from './sources/ndjson.ts';
export { openSource } from './sources/read.ts';
// Streams: what stages are made of.
export { mapRecords } from './streams/records.ts';
export type { Stage } from './streams/stage.ts';
export { asTransform, defineStage } from './streams/stage.ts';
export type { CountTokensOptions } from './tokens/count-tokens.ts';
export { countTokens } from './tokens/count-tokens.ts';
export type { CounterOptions } from './tokens/counter.ts';
export { createTokenCounter } from './tokens/counter.ts';
