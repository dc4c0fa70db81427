/** One line of a batch input file. */
export function chatLine(id: string, text: string, over: Record<string, unknown> = {}): string {
  return JSON.stringify({
    custom_id: id,
    method: 'POST',
    url: '/chat/completions',
    body: {
      model: 'gpt-4o-batch',
      messages: [
        {
          role: 'system',
          content: 'You are an AI assistant that helps people find information.',
        },
        { role: 'user', content: text },
      ],
    },
    ...over,
  });
}

/** The base guide's own file. */
export const GUIDE_LINES = [
  chatLine('task-0', 'When was Microsoft founded?'),
  chatLine('task-1', 'When was the first XBOX released?'),
  chatLine('task-2', 'What is Altair Basic?'),
].join('\n');

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; an empty object when it is not JSON. */
  readonly json: Record<string, unknown>;
}

export interface Caller {
  call(method: string, path: string, body?: unknown): Promise<Reply>;
  upload(content: string, form?: Record<string, string>, name?: string): Promise<Reply>;
  /** Uploads, waits until the file is processed, and creates a batch of it; the batch's id. */
  submit(content: string, body?: Record<string, unknown>): Promise<string>;
  /** Asks for the batch until it is in one of the states (lower case). */
  reach(batchId: string, ...states: string[]): Promise<Record<string, unknown>>;
  /** The parsed lines of a file. */
  lines(fileId: unknown): Promise<Record<string, unknown>[]>;
}

/** A caller of one base URL that knows nothing of the emulator's code. */
export function callerOf(
  base: string,
  key: string,
  query = '?api-version=2024-10-21',
  pollMs = 4,
): Caller {
  const call = async (method: string, path: string, body?: unknown): Promise<Reply> => {
    const joint = path.includes('?') ? query.replace('?', '&') : query;
    const isVersionOne = base.endsWith('/v1');
    const isForm = body instanceof FormData;
    const response = await fetch(`${base}${path}${joint}`, {
      method,
      headers: {
        // Plain OpenAI clients send the key as a Bearer token.
        ...(isVersionOne ? { authorization: `Bearer ${key}` } : { 'api-key': key }),
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parsed(text) };
  };
  const upload: Caller['upload'] = (content, fields = { purpose: 'batch' }, name = 'in.jsonl') => {
    const form = new FormData();
    for (const [field, value] of Object.entries(fields)) form.set(field, value);
    form.set('file', new File([content], name, { type: 'application/jsonl' }));
    return call('POST', '/files', form);
  };
  return {
    call,
    upload,
    async submit(content, body = {}) {
      const { id } = (await upload(content)).json;
      for (;;) {
        const file = await call('GET', `/files/${id}`);
        if (file.json.status === 'processed') break;
        await pause(pollMs);
      }
      const created = await call('POST', '/batches', {
        input_file_id: id,
        endpoint: '/chat/completions',
        completion_window: '24h',
        ...body,
      });
      if (created.status >= 300)
        throw new Error(`create answered ${created.status}: ${created.text}`);
      return String(created.json.id);
    },
    async reach(batchId, ...states) {
      for (;;) {
        const batch = (await call('GET', `/batches/${batchId}`)).json;
        if (states.includes(String(batch.status).toLowerCase())) return batch;
        await pause(pollMs);
      }
    },
    async lines(fileId) {
      const { text } = await call('GET', `/files/${fileId}/content`);
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map(parsed);
    },
  };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
