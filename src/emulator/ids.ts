import { randomBytes, randomUUID } from 'node:crypto';
import type { Switches } from './profiles.ts';

type Style = Pick<Switches, 'ids'>;

export function inputFileId({ ids }: Style): string {
  return ids === 'azure' ? `file-${randomUUID().replaceAll('-', '')}` : `file-${short()}`;
}

export function outputFileId({ ids }: Style): string {
  return ids === 'azure' ? `file-${randomUUID()}` : `file-${short()}`;
}

export function batchId({ ids }: Style): string {
  return ids === 'azure' ? `batch_${randomUUID()}` : `batch_${randomBytes(16).toString('hex')}`;
}

function short(): string {
  return randomBytes(20).toString('base64url').replaceAll(/[-_]/g, 'x').slice(0, 22);
}
