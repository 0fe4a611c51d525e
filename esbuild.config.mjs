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
 * all of it into one file: a dozen small ones cost a few milliseconds at every start.
 */
const oneCore = {
  name: 'one-core',
  setup({ onResolve, onLoad }) {
    const lazy = new Set();
    const core = resolve('src/run.ts');
    onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
      if (kind === 'dynamic-import') lazy.add(join(resolveDir, path.replace(/\.js$/, '.ts')));
    });
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      if (!lazy.has(path) || path === core) return undefined;
      const contents = `${readFileSync(path, 'utf8')}\nimport ${JSON.stringify(core)};`;
      return { contents, loader: 'ts', resolveDir: dirname(path) };
    });
  },
};

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
