// Preloaded into an emulator that a benchmark waits for: its exact counting takes most of its time and
// one of two cores, which is not part of the question. Four characters are a token here.
import { registerHooks } from 'node:module';

const COUNTS = 'export const countTokens = (text) => Math.ceil(text.length / 4);';

registerHooks({
  resolve: (name, context, next) =>
    name.startsWith('gpt-tokenizer/encoding/')
      ? { url: `data:text/javascript,${COUNTS}`, shortCircuit: true }
      : next(name, context),
});
