import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isObject } from '../answers/tokens.ts';
import type { Faults } from '../faults/faults.ts';
import type { CallAction } from '../faults/rules.ts';
import type { State } from '../state.ts';
import { limitText } from '../validation.ts';
import { type WireCode, WireError } from './errors.ts';

type AnswerAction = Extract<CallAction, { do: 'answer' }>;

/** An answer that a fault gives in the middle of an upload. */
export class FaultAnswer extends Error {
  override readonly name = 'FaultAnswer';
  readonly action: AnswerAction;

  constructor(action: AnswerAction) {
    super(`answered with ${action.status} by a fault`);
    this.action = action;
  }
}

/** A fault cut the connection in the middle of an upload. */
export class CutConnection extends Error {
  override readonly name = 'CutConnection';
}

/** Lets the script's rules act on every call that has a name. `log` writes the access log. */
export function faultHooks(
  app: FastifyInstance,
  state: State,
  faults: Faults,
  log: (request: FastifyRequest, status: number) => void,
): void {
  app.addHook('preHandler', async (request, reply) => {
    const { call } = request.routeOptions.config;
    if (call === undefined) return undefined;
    request.actions = faults.forCall(call);
    for (const action of request.actions) {
      const isUpload = call === 'files.upload';
      if (action.do === 'delay') await delay(action.ms, undefined, { signal: state.closing });
      if (action.do === 'refuse') throw refusal(action.error, request, state);
      if (action.do === 'answer' && !(isUpload && action.afterBytes !== undefined)) {
        return sendAnswer(reply, action, state);
      }
      if (action.do === 'cut-before' && !(isUpload && action.afterBytes !== undefined)) {
        reply.hijack();
        log(request, 0);
        request.raw.socket.destroy();
        return reply;
      }
      if (action.do === 'hang' && action.done !== true) {
        // The socket stays open until its other end gives up, or the emulator closes.
        reply.hijack();
        log(request, 0);
        return reply;
      }
    }
    return undefined;
  });

  app.addHook('onSend', async (request, reply, payload) => {
    const lost = request.actions.find(
      ({ do: action }) => action === 'cut-after' || action === 'hang',
    );
    const cutShort = request.raw.socket.destroyed;
    log(request, lost === undefined && !cutShort ? reply.statusCode : 0);
    if (lost?.do === 'cut-after') request.raw.socket.destroy();
    if (lost?.do === 'hang') await gone(request, state.closing);
    const cut = request.actions.some(({ do: action }) => action === 'bad-json');
    if (!cut || typeof payload !== 'string') return payload;
    const half = payload.slice(0, Math.floor(payload.length / 2));
    reply.header('content-length', Buffer.byteLength(half));
    return half;
  });
}

/** A refusal that nothing gave cause to: its message speaks of the call and of the resource's limits. */
function refusal(error: WireCode, request: FastifyRequest, { options, quota }: State): WireError {
  const { maxFiles, maxFilesWithExpiry } = options.switches;
  const { body } = request;
  const asked = isObject(body) ? body.input_file_id : undefined;
  const [deployment = 'gpt-4o-batch'] = options.deployments ?? [];
  return new WireError(error, {
    id: String((isObject(request.params) ? request.params.id : undefined) ?? asked ?? 'unknown'),
    max: error === 'fileQuota' ? maxFiles : maxFilesWithExpiry,
    limit: limitText(quota.enqueuedTokens),
    model: deployment,
    status: error === 'filePending' ? 'pending' : 'completed',
    param: 'purpose',
    text: 'A fault script refused this call.',
    method: request.method,
    path: request.url.split('?')[0] ?? '',
  });
}

/** Answers as the rule says. */
export function sendAnswer(reply: FastifyReply, action: AnswerAction, state: State): FastifyReply {
  const { status, headers = {}, retryAfterSeconds, retryAfterDateSeconds, retryAfterMs } = action;
  reply.status(status).headers(headers);
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
  if (retryAfterMs !== undefined) reply.header('retry-after-ms', String(retryAfterMs));
  if (retryAfterDateSeconds !== undefined) {
    const at = new Date(Date.now() + retryAfterDateSeconds * 1000);
    reply.header('retry-after', at.toUTCString());
  }
  if (action.shouldRetry !== undefined) reply.header('x-should-retry', String(action.shouldRetry));
  if (status === 204) return reply.send();
  return reply.send(action.body ?? defaultBody(status, state));
}

function defaultBody(status: number, { options }: State): unknown {
  const message = `A fault script answered with ${status}.`;
  return options.switches.errorEnvelope === 'azure'
    ? { error: { code: String(status), message } }
    : { error: { message, type: 'server_error', param: null, code: null } };
}

/** Resolves when the caller has gone away or the emulator closes. */
function gone(request: FastifyRequest, closing: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    request.raw.socket.once('close', () => resolve());
    closing.addEventListener('abort', () => resolve(), { once: true });
  });
}
