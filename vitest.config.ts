import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['scripts/kernels.mjs'],
    setupFiles: ['test/setup/properties.ts'],
    testTimeout: 60 * 1000, // 60 s: the machines are shared and slow at times
    hookTimeout: 60 * 1000,
    maxWorkers: 2,
  },
});
