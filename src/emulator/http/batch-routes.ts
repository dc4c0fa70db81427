import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isObject } from '../answers/tokens.ts';
import type { Batches, NewBatch } from '../batches.ts';
import type { Switches } from '../profiles.ts';
import type { BatchRecord } from '../records.ts';
import type { State } from '../state.ts';
import { WireError } from './errors.ts';
import { parseFilter, parseOrder } from './filter.ts';
import { apiVersion, reaches } from './guard.ts';
import { pageOf } from './pages.ts';
import { batchObject } from './wire.ts';

interface ById {
  Params: { id: string };
}

interface Listing {
  Querystring: Record<string, string | undefined>;
}

const LIST_BOUNDS = { default: 20, most: 100 };

/** The calls on batches, relative to a path prefix. */
export function batchRoutes(app: FastifyInstance, state: State, batches: Batches): void {
  const { switches } = state.options;

  app.post('/batches', { config: { call: 'batches.create' } }, async (request, reply) => {
    const accepted = await batches.create(newBatch(request, switches));
    request.subject = accepted.batch.id;
    reply.status(switches.createStatus).headers(accepted.headers);
    return batchObject(accepted.batch, switches);
  });

  app.get<Listing>('/batches', { config: { call: 'batches.list' } }, async (request) => {
    const all = listed(request, batches, switches);
    const page = pageOf(all, request.query, LIST_BOUNDS);
    return {
      ...(switches.listObject ? { object: 'list' } : {}),
      [switches.listEnvelope]: page.items.map((batch) => batchObject(batch, switches)),
      first_id: page.items[0]?.id ?? null,
      last_id: page.items.at(-1)?.id ?? null,
      has_more: page.hasMore,
    };
  });

  app.get<ById>('/batches/:id', { config: { call: 'batches.get' } }, async (request) => {
    request.subject = request.params.id;
    return batchObject(batches.get(request.params.id), switches);
  });

  // The base guide's curl has no -X POST, so its cancel is a GET; the SDKs post.
  app.route<ById>({
    method: ['GET', 'POST'],
    url: '/batches/:id/cancel',
    config: { call: 'batches.cancel' },
    handler: async (request) => {
      request.subject = request.params.id;
      return batchObject(batches.cancel(request.params.id), switches);
    },
  });
}

/** What a list holds, in its order. */
function listed(
  request: FastifyRequest<Listing>,
  batches: Batches,
  switches: Switches,
): BatchRecord[] {
  let all = batches.visible();
  if (switches.listOrder === 'newest') all.reverse();
  const version = apiVersion(request) ?? '';
  const heard =
    switches.listFilter === 'always' ||
    (switches.listFilter === 'preview' && version.includes('preview'));
  if (!heard) return all;
  const { $filter, $orderby } = request.query;
  if ($filter !== undefined && $filter !== '') all = all.filter(parseFilter($filter));
  if ($orderby !== undefined && $orderby !== '') all.sort(parseOrder($orderby));
  return all;
}

/** Reads a create call. What is wrong in its form is refused; what is wrong in its sense is not seen here. */
function newBatch(request: FastifyRequest, switches: Switches): NewBatch {
  const { body } = request;
  if (!isObject(body)) throw new WireError('missingParameter', { param: 'input_file_id' });
  const blob = switches.blobs && reaches(request, switches.blobFrom) ? blobOf(body) : null;
  return {
    inputFileId: blob === null ? text(body, 'input_file_id') : '',
    blob,
    endpoint: text(body, 'endpoint'),
    completionWindow: text(body, 'completion_window'),
    metadata: metadataOf(body.metadata),
    outputLifeSeconds: outputLife(body.output_expires_after, switches.expiresAfter),
  };
}

/** The blob that a batch is to read, and where it is to write; null for a batch of files. */
function blobOf(body: Readonly<Record<string, unknown>>): NewBatch['blob'] {
  if (body.input_blob === undefined || body.input_blob === null) return null;
  const refuse = (param: string) => new WireError('invalidParameter', { param });
  // A batch reads one or the other, and the service takes no metadata beside a blob.
  if (typeof body.input_file_id === 'string' && body.input_file_id !== '')
    throw refuse('input_file_id');
  if (body.metadata !== undefined && body.metadata !== null) throw refuse('metadata');
  const input = text(body, 'input_blob');
  if (!isObject(body.output_folder)) {
    throw new WireError('missingParameter', { param: 'output_folder' });
  }
  const folder = body.output_folder.url;
  if (typeof folder !== 'string' || !URL.canParse(folder)) throw refuse('output_folder.url');
  if (!URL.canParse(input)) throw refuse('input_blob');
  return { input, folder };
}

function text(body: Readonly<Record<string, unknown>>, param: string): string {
  const value = body[param];
  if (value === undefined || value === null) throw new WireError('missingParameter', { param });
  if (typeof value !== 'string') throw new WireError('invalidParameter', { param });
  return value;
}

const METADATA_PAIRS = 16;
const METADATA_KEY_CHARACTERS = 64;
const METADATA_VALUE_CHARACTERS = 512;

function metadataOf(value: unknown): Record<string, string> | null {
  if (value === undefined || value === null) return null;
  const refuse = () => new WireError('invalidParameter', { param: 'metadata' });
  if (!isObject(value)) throw refuse();
  const pairs = Object.entries(value);
  if (pairs.length > METADATA_PAIRS) throw refuse();
  const metadata: Record<string, string> = {};
  for (const [key, item] of pairs) {
    if (typeof item !== 'string' || item.length > METADATA_VALUE_CHARACTERS) throw refuse();
    if (key.length > METADATA_KEY_CHARACTERS) throw refuse();
    metadata[key] = item;
  }
  return metadata;
}

function outputLife(value: unknown, [least, most]: readonly [number, number]): number | null {
  if (value === undefined || value === null) return null;
  const seconds = isObject(value) ? value.seconds : undefined;
  if (typeof seconds !== 'number' || seconds < least || seconds > most) {
    throw new WireError('invalidParameter', { param: 'output_expires_after.seconds' });
  }
  return seconds;
}
