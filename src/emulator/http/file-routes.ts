import type { FastifyInstance } from 'fastify';
import type { Files } from '../files.ts';
import type { State } from '../state.ts';
import { sendContent } from './content.ts';
import { WireError } from './errors.ts';
import { pageOf } from './pages.ts';
import { receiveUpload } from './upload.ts';
import { fileObject } from './wire.ts';

interface ById {
  Params: { id: string };
}

interface Listing {
  Querystring: { purpose?: string; limit?: string; after?: string; order?: string };
}

const LIST_BOUNDS = { default: 10_000, most: 10_000 };

/** The calls on files, relative to a path prefix. */
export function fileRoutes(app: FastifyInstance, state: State, files: Files): void {
  const { switches } = state.options;

  app.post('/files', { config: { call: 'files.upload' } }, async (request, reply) => {
    const file = await receiveUpload(request, state, files);
    request.subject = file.id;
    reply.status(switches.uploadStatus);
    if (switches.uploadStatus === 201)
      reply.header('location', `${request.url.split('?')[0]}/${file.id}`);
    return fileObject(file, switches);
  });

  app.get<Listing>('/files', { config: { call: 'files.list' } }, async (request) => {
    const { purpose, order = 'desc' } = request.query;
    if (order !== 'asc' && order !== 'desc') {
      throw new WireError('invalidParameter', { param: 'order' });
    }
    let all = files.visible();
    if (purpose !== undefined) all = all.filter((file) => file.purpose === purpose);
    if (order === 'desc') all.reverse();
    const page = pageOf(all, request.query, LIST_BOUNDS);
    return {
      object: 'list',
      data: page.items.map((file) => fileObject(file, switches)),
      first_id: page.items[0]?.id ?? null,
      last_id: page.items.at(-1)?.id ?? null,
      has_more: page.hasMore,
    };
  });

  app.get<ById>('/files/:id', { config: { call: 'files.get' } }, async (request) => {
    request.subject = request.params.id;
    return fileObject(files.get(request.params.id), switches);
  });

  app.get<ById>(
    '/files/:id/content',
    { config: { call: 'files.content' } },
    async (request, reply) => {
      request.subject = request.params.id;
      const file = files.get(request.params.id);
      return sendContent(request, reply, file, state);
    },
  );

  app.delete<ById>('/files/:id', { config: { call: 'files.delete' } }, async (request) => {
    const { id } = request.params;
    request.subject = id;
    await files.remove(id);
    return { object: 'file', deleted: true, id };
  });
}
