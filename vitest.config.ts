import { defineConfig } from 'vitest/config';
import { pages } from './esbuild.page.mjs';

export default defineConfig({
  plugins: [pages],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/endurance/**'],
    pool: 'forks',
    // Drills and time-outs are tested by the clock: more than two files at once starve one another.
    maxWorkers: 2,
    // Faults are real and times are measured: in CI one that fails once is tried again, and told as such.
    retry: process.env.CI ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
