import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { WireError } from './errors.ts';
import { isLoopback, type Resolved } from './options.ts';

/** An api-version that a resource may be asked with. */
const API_VERSION = /^(\d{4}-\d{2}-\d{2}(-preview)?|preview|latest|v1)$/;

/**
 * Refuses what does not come from a caller that knows the key, or what came here by a name that is
 * not ours: a page in a browser can make a foreign name point at loopback.
 */
export function guard(request: FastifyRequest, options: Resolved): void {
  const { switches, host, key } = options;
  if (isLoopback(host) && !isLoopback(hostName(request.headers.host ?? ''))) {
    throw new WireError('wrongHost');
  }
  const apiKey = request.headers['api-key'];
  const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const shown = [
    switches.auth === 'bearer' || typeof apiKey !== 'string' ? undefined : apiKey,
    switches.auth === 'api-key' ? undefined : bearer,
  ];
  if (!shown.some((given) => given !== undefined && same(given, key))) {
    throw new WireError('unauthorized');
  }
}

/** Refuses a call of the versioned surface that names no version. */
export function checkApiVersion(request: FastifyRequest, options: Resolved): void {
  if (options.switches.apiVersion !== 'required') return;
  const version = (request.query as Record<string, unknown>)['api-version'];
  if (typeof version !== 'string' || !API_VERSION.test(version)) throw new WireError('noRoute');
}

function hostName(header: string): string {
  return header.replace(/:\d+$/, '');
}

/** In a time that does not depend on where they differ. */
function same(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
