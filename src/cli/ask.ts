import { UsageError } from '../core/errors.ts';

/**
 * Whether the user agrees to `question`. Without a terminal nobody can be asked, and a UsageError
 * says `refusal` and how to agree beforehand.
 */
export async function agreed(
  yes: boolean | undefined,
  question: string,
  refusal: string,
): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) {
    throw new UsageError(`${refusal} and cannot ask here: add --yes if you mean it`);
  }
  // Taken only here: every command would pay for it at its start.
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
  } finally {
    lines.close();
  }
}
