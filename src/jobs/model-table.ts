import type { RequestSpec } from '../core/job.ts';
import { loadModelTable, type ModelTable } from '../tokens/models.ts';

/** The facts about models that a job counts and prices by: its own, or those that are shipped. */
export function tableOf(request: RequestSpec | null): ModelTable {
  return (request?.models as ModelTable | undefined) ?? loadModelTable();
}
