// Bundles the command line and the reference service into dist/ as split ES modules:
// a command loads its own chunk only, which is most of the start-up time.
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { isPage, pageModule } from './esbuild.page.mjs';

rmSync('dist', { recursive: true, force: true });
/** commander needs it for subcommands that are programs of their own; we have none, and it costs 2 ms. */
const lazyChildProcess = {
  name: 'lazy-child-process',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      /[\\/]commander[\\/]/.test(importer) ? { path: 'lazy', namespace: 'lazy' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'lazy' }, () => ({
      contents: "exports.spawn = (...args) => require('node:child_process').spawn(...args);",
    }));
  },
};

/**
 * What run.ts needs is loaded before any lazy part is. Saying so in each of them lets the bundler put
 * all of it into one file: a dozen small ones cost a few milliseconds at every start. The same for what
 * every command needs that asks a Redis.
 */
const oneCore = {
  name: 'one-core',
  setup({ onResolve, onLoad }) {
    const lazy = new Set();
    const core = [resolve('src/run.ts')];
    const asking = [...core, ...ASKED.map((path) => resolve('src', path))];
    onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
      if (kind === 'dynamic-import') lazy.add(join(resolveDir, path.replace(/\.js$/, '.ts')));
    });
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      if (!lazy.has(path) || core.includes(path)) return undefined;
      const needed = ASKING.test(path) ? asking : core;
      const imports = needed.map((file) => `import ${JSON.stringify(file)};`);
      const contents = `${readFileSync(path, 'utf8')}\n${imports.join('\n')}`;
      return { contents, loader: 'ts', resolveDir: dirname(path) };
    });
  },
};
const ASKING =
  /[\\/]src[\\/](commands[\\/](?!complet|watchdog)|completion[\\/]live|queues[\\/](engines|bullmq[\\/]engine|pgboss[\\/]engine))/;
const ASKED = [
  'config/load.ts',
  'config/nearest.ts',
  'output/emit.ts',
  'output/progress.ts',
  'redis/probe.ts',
  'redis/servers.ts',
];

/** The HTML report's own script and style, as texts. */
const page = {
  name: 'page',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^page:/ }, ({ path }) =>
      isPage(path) ? { path, namespace: 'page' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'page' }, async ({ path }) => ({
      contents: await pageModule(path),
    }));
  },
};

await build({
  entryPoints: {
    main: 'src/main.ts',
    service: 'src/service/main.ts',
    worker: 'src/service/worker/main.ts',
    // What applications import: cache-ops/service.
    library: 'src/service/index.ts',
  },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  chunkNames: 'chunks/[name]-[hash]',
  // CommonJS dependencies call require() for Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
  },
  // Optional native accelerator of pg that nobody here installs.
  external: ['pg-native'],
  plugins: [lazyChildProcess, oneCore, page],
  logLevel: 'warning',
});
