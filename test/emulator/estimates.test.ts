import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Endpoint } from '../../src/core/request.ts';
import { promptCounter } from '../../src/emulator/answers/tokens.ts';
import { createTokenCounter } from '../../src/tokens/counter.ts';

// Two readings of the same published rules, written apart: what a job estimates is what is billed
// here, but for nested schemas, of which no rule is published.

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom('What is Altair Basic?', 'Она сказала: «нет»', '  x\n\n', ''),
);
const word = fc.stringMatching(/^[a-z_]{1,12}$/);
const message = fc.record(
  {
    role: fc.constantFrom('system', 'user', 'assistant'),
    content: fc.oneof(text, fc.array(fc.record({ type: fc.constant('text'), text }))),
    name: word,
  },
  { requiredKeys: ['role', 'content'] },
);
const property = fc.record(
  {
    type: fc.constantFrom('string', 'integer', 'boolean'),
    description: text,
    enum: fc.array(word, { minLength: 1, maxLength: 4 }),
  },
  { requiredKeys: ['type'] },
);
const schema = fc.record({
  type: fc.constant('object'),
  properties: fc.dictionary(word, property, { maxKeys: 4 }),
});
const definition = fc.record(
  { name: word, description: text, parameters: schema },
  { requiredKeys: ['name'] },
);
const tool = fc.record({ type: fc.constant('function'), function: definition });
const format = fc.record({ name: word, schema, strict: fc.constant(true) });

const bodies: Record<Endpoint, fc.Arbitrary<Record<string, unknown>>> = {
  '/chat/completions': fc.record(
    {
      messages: fc.array(message, { minLength: 1, maxLength: 4 }),
      tools: fc.array(tool, { maxLength: 3 }),
      response_format: fc.record({ type: fc.constant('json_schema'), json_schema: format }),
    },
    { requiredKeys: ['messages'] },
  ),
  '/responses': fc.record(
    {
      input: fc.oneof(text, fc.array(message, { maxLength: 3 })),
      instructions: text,
      tools: fc.array(definition, { maxLength: 3 }),
      text: fc.record({ format }),
    },
    { requiredKeys: ['input'] },
  ),
  '/embeddings': fc.record({ input: fc.oneof(text, fc.array(text), fc.array(fc.nat())) }),
  '/completions': fc.record({ prompt: fc.oneof(text, fc.array(text)) }),
};

test.each(
  ['gpt-4o', 'gpt-4'].flatMap((model) =>
    (Object.keys(bodies) as Endpoint[]).map((endpoint) => [model, endpoint] as const),
  ),
)('%s %s: the estimate is what is billed', async (model, endpoint) => {
  const ours = await createTokenCounter(model);
  const theirs = await promptCounter(model);
  fc.assert(
    fc.property(bodies[endpoint], (body) => {
      const estimate = ours.countRequest(endpoint, { model, ...body });
      expect(estimate).toBe(theirs.measure(endpoint, body).tokens);
    }),
    { numRuns: 300 },
  );
});
