import { defineConfig } from 'vitest/config';
import { pages } from './esbuild.page.mjs';

export default defineConfig({
  plugins: [pages],
  test: {
    include: ['test/endurance/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 1_800_000,
    hookTimeout: 60_000,
  },
});
