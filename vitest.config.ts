import { defineConfig } from 'vitest/config';
import { isPage, pageModule } from './esbuild.page.mjs';

export default defineConfig({
  plugins: [
    {
      name: 'page',
      resolveId: (id) => (isPage(id) ? `\0${id}` : null),
      load: (id) => (isPage(id.slice(1)) ? pageModule(id.slice(1)) : null),
    },
  ],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/endurance/**'],
    pool: 'forks',
    // Drills and time-outs are tested by the clock: more than two files at once starve one another.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
