// The service that the examples talk to: your resource when AZURE_OPENAI_ENDPOINT is set, else the
// local emulator, with made-up answers and no cost.
import { azureOpenAI, type Target } from 'millrace';
import { startEmulator } from 'millrace/emulator';

export interface ExampleService {
  service: Target;
  /** Of the batch deployment. */
  model: string;
  /** Between two looks at the batches, in ms. */
  pollIntervalMs: number;
  close(): Promise<void>;
}

export async function openExampleService(): Promise<ExampleService> {
  const endpoint = process.env.AZURE_OPENAI_ENDPOINT;
  const model = process.env.AZURE_OPENAI_DEPLOYMENT ?? 'gpt-4o-batch';
  if (endpoint !== undefined) {
    const { DefaultAzureCredential } = await import('@azure/identity');
    const apiKey = process.env.AZURE_OPENAI_API_KEY;
    const service = azureOpenAI(
      apiKey === undefined
        ? { endpoint, credential: new DefaultAzureCredential() }
        : { endpoint, apiKey },
    );
    return { service, model, pollIntervalMs: 60_000, close: () => service.service.close() };
  }
  const emulator = await startEmulator({ speed: 2000 });
  const service = azureOpenAI({ endpoint: emulator.url, apiKey: emulator.key });
  return {
    service,
    model,
    pollIntervalMs: 200,
    async close() {
      await service.service.close();
      await emulator.close();
    },
  };
}
