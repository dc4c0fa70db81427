import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import { batchRoutes } from './batch-routes.ts';
import type { Batches } from './batches.ts';
import { renderError, WireError } from './errors.ts';
import { fileRoutes } from './file-routes.ts';
import type { Files } from './files.ts';
import { checkApiVersion, guard } from './guard.ts';
import type { State } from './state.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The file or batch that the call is about, for the access log. */
    subject: string | null;
    /** Names of the faults that were applied. */
    faults: string[];
    /** When the call came in, by the machine's own monotonic clock. */
    begunAt: number;
  }
  interface FastifyContextConfig {
    /** The operation's name in the access log and in fault scripts. */
    call?: string;
  }
}

const JSON_BODY_BYTES = 1024 * 1024; // 1 MiB

/** The HTTP face of the service: routes under every path prefix, guard, error bodies, access log. */
export async function buildServer(
  state: State,
  files: Files,
  batches: Batches,
): Promise<FastifyInstance> {
  const { options } = state;
  const { switches } = options;
  const app = fastify({
    bodyLimit: JSON_BODY_BYTES,
    forceCloseConnections: true,
    keepAliveTimeout: 65 * 1000, // 65 s
    routerOptions: { maxParamLength: 200 },
  });
  app.decorateRequest('subject', null);
  app.decorateRequest('begunAt', 0);
  // A reference type has to be made afresh for each request.
  app.decorateRequest('faults');
  await app.register(multipart, { limits: { fileSize: Infinity } });
  acceptLooseBodies(app);

  app.addHook('onRequest', async (request, reply) => {
    request.begunAt = performance.now();
    request.faults = [];
    const id = randomUUID();
    reply.header(switches.requestIdHeader, id);
    guard(request, options);
  });
  app.addHook('onResponse', async (request, reply) =>
    writeAccess(state, request, reply.statusCode),
  );
  app.setNotFoundHandler((request) => {
    throw new WireError('noRoute', { method: request.method, path: pathOf(request) });
  });
  app.setErrorHandler((error: FastifyError | Error, _request, reply) => {
    const { status, body } = renderError(wireErrorOf(error, state), switches);
    return reply.status(status).send(body);
  });

  for (const path of switches.paths) {
    const prefix = path.replace('{d}', ':deployment');
    const versioned = prefix === '/openai' || prefix.includes(':deployment');
    await app.register(
      async (scope) => {
        if (versioned)
          scope.addHook('onRequest', async (request) => checkApiVersion(request, options));
        fileRoutes(scope, state, files);
        batchRoutes(scope, state, batches);
      },
      { prefix },
    );
  }
  return app;
}

/** Calls without a body may still say that it is JSON; what is no JSON is told in our own words. */
function acceptLooseBodies(app: FastifyInstance): void {
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') return done(null, undefined);
    try {
      done(null, JSON.parse(String(body)));
    } catch {
      done(new WireError('badJson'));
    }
  });
}

function wireErrorOf(error: FastifyError | Error, state: State): WireError {
  if (error instanceof WireError) return error;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new WireError('bodyTooLarge');
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new WireError('badContentType');
  if (code === 'FST_REQ_FILE_TOO_LARGE') return new WireError('fileTooLarge');
  if ('statusCode' in error && error.statusCode === 400) {
    return new WireError('badRequest', { text: error.message });
  }
  state.failures.push(error);
  return new WireError('internal');
}

function writeAccess(state: State, request: FastifyRequest, status: number): void {
  state.access.add({
    at: new Date(state.options.clock.now()).toISOString(),
    method: request.method,
    path: request.url,
    call: request.routeOptions.config.call ?? null,
    status,
    ms: Math.round(performance.now() - request.begunAt),
    id: request.subject,
    faults: request.faults,
  });
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? request.url;
}
