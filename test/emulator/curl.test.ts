import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { startEmulator } from '../../src/emulator/index.ts';
import { GUIDE_LINES, pause } from './help.ts';

const run = promisify(execFile);

function hasCurl(): boolean {
  try {
    execFileSync('curl', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!hasCurl())('the guide’s curl lines', () => {
  test('typed as printed, they run a batch from upload to answers', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    await writeFile(join(folder, 'test.jsonl'), GUIDE_LINES);
    await using emulator = await startEmulator({
      speed: 10_000,
      // The one that is to be cancelled must not be faster than a process that starts.
      faults: { rules: [{ on: 'batch', nth: 2, do: 'stall' }] },
    });
    const env = {
      ...process.env,
      AZURE_OPENAI_ENDPOINT: emulator.url,
      AZURE_OPENAI_API_KEY: emulator.key,
    };
    const shell = async (line: string) => {
      const { stdout } = await run('sh', ['-c', `${line} -sS`], { env, cwd: folder });
      return stdout;
    };
    const json = async (line: string) => JSON.parse(await shell(line)) as Record<string, unknown>;

    const file =
      await json(`curl -X POST $AZURE_OPENAI_ENDPOINT/openai/files?api-version=2024-10-21 \\
      -H "Content-Type: multipart/form-data" \\
      -H "api-key: $AZURE_OPENAI_API_KEY" \\
      -F "purpose=batch" \\
      -F "file=@test.jsonl;type=application/json"`);
    expect(file).toMatchObject({ filename: 'test.jsonl', purpose: 'batch' });
    for (;;) {
      const { status } =
        await json(`curl $AZURE_OPENAI_ENDPOINT/openai/files/${file.id}?api-version=2024-10-21 \\
        -H "api-key: $AZURE_OPENAI_API_KEY"`);
      if (status === 'processed') break;
      await pause(20);
    }
    const batch =
      await json(`curl -X POST $AZURE_OPENAI_ENDPOINT/openai/batches?api-version=2024-10-21 \\
      -H "api-key: $AZURE_OPENAI_API_KEY" \\
      -H "Content-Type: application/json" \\
      -d '{
        "input_file_id": "${file.id}",
        "endpoint": "/chat/completions",
        "completion_window": "24h"
      }'`);
    expect(batch.status).toBe('validating');
    let ended: Record<string, unknown>;
    for (;;) {
      ended =
        await json(`curl $AZURE_OPENAI_ENDPOINT/openai/batches/${batch.id}?api-version=2024-10-21 \\
        -H "api-key: $AZURE_OPENAI_API_KEY" \\
        -H "Content-Type: application/json"`);
      if (ended.status === 'completed') break;
      await pause(20);
    }
    await shell(`curl $AZURE_OPENAI_ENDPOINT/openai/files/${ended.output_file_id}/content?api-version=2024-10-21 \\
      -H "api-key: $AZURE_OPENAI_API_KEY" > batch_output.jsonl`);
    expect((await shell('wc -l < batch_output.jsonl; true ||')).trim()).toBe('3');

    // The list of the preview, without /openai as the guide has it, its spaces escaped as it says.
    const list =
      await json(`curl "$AZURE_OPENAI_ENDPOINT/batches?api-version=2024-10-01-preview&\\$filter=created_at%20gt%201728860560%20and%20status%20eq%20'Completed'&\\$orderby=created_at%20asc" \\
      -H "api-key: $AZURE_OPENAI_API_KEY"`);
    expect((list.data as { id: string }[]).map(({ id }) => id)).toEqual([batch.id]);

    // Its cancel has no -X POST.
    const other =
      await json(`curl -X POST $AZURE_OPENAI_ENDPOINT/openai/batches?api-version=2024-10-21 \\
      -H "api-key: $AZURE_OPENAI_API_KEY" -H "Content-Type: application/json" \\
      -d '{"input_file_id": "${file.id}", "endpoint": "/chat/completions", "completion_window": "24h"}'`);
    const cancelled =
      await json(`curl $AZURE_OPENAI_ENDPOINT/openai/batches/${other.id}/cancel?api-version=2024-10-21 \\
      -H "api-key: $AZURE_OPENAI_API_KEY"`);
    expect(cancelled.status).toBe('cancelling');
    await rm(folder, { recursive: true });
  });
});
