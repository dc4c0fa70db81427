import type { FastifyInstance } from 'fastify';
import type { State } from '../state.ts';
import { WireError } from './errors.ts';

/** Shown when any name is a deployment. */
const SOME_MODELS = ['gpt-4o', 'gpt-4o-mini', 'gpt-4.1', 'gpt-4.1-mini', 'text-embedding-3-small'];

interface ById {
  Params: { id: string };
}

/** The list of models, relative to a path prefix: the deployments, or some names if any will do. */
export function modelRoutes(app: FastifyInstance, state: State): void {
  const { deployments, switches } = state.options;
  const created = Math.floor(state.options.clock.now() / 1000);
  const owner = switches.errorEnvelope === 'azure' ? 'azure-openai' : 'openai';
  const modelOf = (id: string) => ({ id, object: 'model', created, owned_by: owner });

  app.get('/models', { config: { call: 'models.list' } }, async () => ({
    object: 'list',
    data: [...(deployments ?? SOME_MODELS)].map(modelOf),
  }));

  app.get<ById>('/models/:id', async (request) => {
    const { id } = request.params;
    if (deployments !== null && !deployments.has(id)) throw new WireError('modelNotFound', { id });
    return modelOf(id);
  });
}
