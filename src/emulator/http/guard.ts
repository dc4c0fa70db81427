import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { isLoopback, type Resolved } from '../options.ts';
import { WireError } from './errors.ts';

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
  const version = apiVersion(request);
  if (version === undefined || !API_VERSION.test(version)) throw new WireError('noRoute');
}

/** The api-version of the query, if there is one. */
export function apiVersion(request: FastifyRequest): string | undefined {
  const version = (request.query as Record<string, unknown>)['api-version'];
  return typeof version === 'string' ? version : undefined;
}

/** Whether a call's api-version is at least this one. Calls without a dated version are new. */
export function reaches(request: FastifyRequest, least: string | null): boolean {
  const version = apiVersion(request);
  if (least === null || version === undefined || !/^\d{4}-/.test(version)) return true;
  return version.slice(0, least.length) >= least;
}

function hostName(header: string): string {
  return header.replace(/:\d+$/, '');
}

/** In a time that does not depend on where they differ. */
function same(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
