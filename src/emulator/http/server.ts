import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import type { Batches } from '../batches.ts';
import type { Faults } from '../faults/faults.ts';
import type { Call, CallAction } from '../faults/rules.ts';
import type { Files } from '../files.ts';
import type { State } from '../state.ts';
import { batchRoutes } from './batch-routes.ts';
import { controlRoutes } from './control-routes.ts';
import { renderError, WireError } from './errors.ts';
import { FaultAnswer, faultHooks, sendAnswer } from './fault-hooks.ts';
import { fileRoutes } from './file-routes.ts';
import { checkApiVersion, guard } from './guard.ts';
import { modelRoutes } from './model-routes.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The file or batch that the call is about, for the access log. */
    subject: string | null;
    /** The faults that act on it. */
    actions: readonly CallAction[];
    /** When the call came in, by the machine's own monotonic clock. */
    begunAt: number;
  }
  interface FastifyContextConfig {
    /** The operation's name in the access log and in fault scripts. */
    call?: Call;
  }
}

const JSON_BODY_BYTES = 1024 * 1024; // 1 MiB

/** The HTTP face of the service: routes under every path prefix, guard, error bodies, access log. */
export async function buildServer(
  state: State,
  faults: Faults,
  files: Files,
  batches: Batches,
): Promise<FastifyInstance> {
  const { options } = state;
  const { switches } = options;
  const app = fastify({
    bodyLimit: JSON_BODY_BYTES,
    forceCloseConnections: true,
    keepAliveTimeout: 65 * 1000, // 65 s
    // A HEAD on cancel would cancel.
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 200 },
  });
  app.decorateRequest('subject', null);
  app.decorateRequest('begunAt', 0);
  // A reference type has to be made afresh for each request.
  app.decorateRequest('actions');
  await app.register(multipart, { limits: { fileSize: Infinity } });
  acceptLooseBodies(app);

  app.addHook('onRequest', async (request, reply) => {
    request.begunAt = performance.now();
    request.actions = [];
    const id = randomUUID();
    reply.header(switches.requestIdHeader, id);
    guard(request, options);
  });
  // An entry is written before the answer, so that who has the answer finds the entry.
  faultHooks(app, state, faults, (request, status) => writeAccess(state, request, status));
  app.setNotFoundHandler((request) => {
    throw new WireError('noRoute', { method: request.method, path: pathOf(request) });
  });
  app.setErrorHandler((error: FastifyError | Error, request, reply) => {
    if (error instanceof FaultAnswer) return sendAnswer(reply, error.action, state);
    const { status, body } = renderError(wireErrorOf(error, request, state), switches);
    return reply.status(status).send(body);
  });

  if (options.control) controlRoutes(app, state, faults, batches);
  for (const path of switches.paths) {
    const prefix = path.replace('{d}', ':deployment');
    const versioned = ['', '/openai'].includes(prefix) || prefix.includes(':deployment');
    await app.register(
      async (scope) => {
        if (versioned)
          scope.addHook('onRequest', async (request) => checkApiVersion(request, options));
        fileRoutes(scope, state, files);
        batchRoutes(scope, state, batches);
        modelRoutes(scope, state);
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

function wireErrorOf(
  error: FastifyError | Error,
  request: FastifyRequest,
  state: State,
): WireError {
  if (error instanceof WireError) return error;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new WireError('bodyTooLarge');
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new WireError('badContentType');
  if (code === 'FST_REQ_FILE_TOO_LARGE') return new WireError('fileTooLarge');
  if ('statusCode' in error && error.statusCode === 400) {
    return new WireError('badRequest', { text: error.message });
  }
  // When the caller went away in the middle, nobody reads what is answered.
  const gone = request.raw.socket.destroyed || state.closing.aborted;
  if (!gone) state.failed(error);
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
    faults: request.actions.map((action) => action.do),
  });
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? request.url;
}
