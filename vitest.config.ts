import { defineConfig } from 'vitest/config';
import { PAGE, pageModule } from './esbuild.page.mjs';

export default defineConfig({
  plugins: [
    {
      name: 'page',
      resolveId: (id) => (id === PAGE ? `\0${PAGE}` : null),
      load: (id) => (id === `\0${PAGE}` ? pageModule() : null),
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
