import type { FastifyInstance } from 'fastify';
import { errorMessage, UsageError } from '../../core/errors.ts';
import { isObject } from '../answers/tokens.ts';
import type { Batches } from '../batches.ts';
import type { Faults } from '../faults/faults.ts';
import { parseFaultScript } from '../faults/script.ts';
import type { State } from '../state.ts';
import { WireError } from './errors.ts';

/**
 * Calls that steer the emulator itself. They exist only when they were asked for.
 *
 * - `POST /emulator/faults` puts a fault script in the place of the present one.
 * - `GET /emulator/faults` tells how often each rule has acted.
 * - `DELETE /emulator/faults` ends all rules.
 * - `POST /emulator/quota` with `{"enqueuedTokens": 30000}` (or null) changes the deployments' limit.
 */
export function controlRoutes(
  app: FastifyInstance,
  state: State,
  faults: Faults,
  batches: Batches,
): void {
  app.post('/emulator/faults', async (request) => {
    const script = readScript(request.body);
    faults.replace(script);
    await batches.addForeigners(script);
    return { rules: script.rules?.length ?? 0 };
  });
  app.get('/emulator/faults', async () => ({ hits: faults.hits() }));
  app.delete('/emulator/faults', async () => {
    faults.replace({});
    return { rules: 0 };
  });
  app.post('/emulator/quota', async (request) => {
    const limit = isObject(request.body) ? request.body.enqueuedTokens : undefined;
    if (limit !== null && (typeof limit !== 'number' || !(limit >= 0))) {
      throw new WireError('invalidParameter', { param: 'enqueuedTokens' });
    }
    state.quota.enqueuedTokens = limit;
    return { enqueuedTokens: limit };
  });
}

function readScript(body: unknown) {
  try {
    return parseFaultScript(body);
  } catch (error) {
    if (error instanceof UsageError)
      throw new WireError('badRequest', { text: errorMessage(error) });
    throw error;
  }
}
