import type { Random } from '../../core/clock.ts';
import { type Answer, type Json, type Making, numberOf } from './answer.ts';

/** Length of a vector, by the model's name. */
const LENGTHS: readonly (readonly [RegExp, number])[] = [
  [/3-large/, 3072],
  [/./, 1536],
];

const MOST_DIMENSIONS = 3072;

/** Embeddings of the right length and of unit norm, as numbers or in base64. */
export function embeddingsAnswer(body: Json, making: Making): Answer {
  const { random, inputTokens } = making;
  const model = String(body.model);
  const length = LENGTHS.find(([name]) => name.test(model))?.[1] ?? MOST_DIMENSIONS;
  const dimensions = Math.min(MOST_DIMENSIONS, Math.max(1, numberOf(body.dimensions, length)));
  const data = Array.from({ length: inputsOf(body.input) }, (_none, index) => {
    const vector = unitVector(dimensions, random);
    const embedding =
      body.encoding_format === 'base64'
        ? Buffer.from(vector.buffer).toString('base64')
        : [...vector];
    return { object: 'embedding', index, embedding };
  });
  const usage = { prompt_tokens: inputTokens, total_tokens: inputTokens };
  return {
    status: 200,
    body: JSON.stringify({ object: 'list', data, model, usage }),
    inputTokens,
    outputTokens: 0,
  };
}

/** A list of texts or of token lists is many inputs; a text or one token list is one. */
function inputsOf(input: unknown): number {
  return Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1;
}

function unitVector(dimensions: number, random: Random): Float32Array {
  const vector = Float32Array.from({ length: dimensions }, () => random() * 2 - 1);
  const norm = Math.hypot(...vector);
  return vector.map((value) => value / norm);
}
