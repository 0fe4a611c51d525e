// Bundles the command line and the reference service into dist/ as split ES modules:
// a command loads its own chunk only, which is most of the start-up time.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  /[/]src[/](commands[/](?!complet|watchdog)|completion[/]live|config[/]load|redis[/]target|drills[/](plan-file|postgres)|alerts[/](outbox|sinks[/]test)|queues[/](engines|bullmq[/](engine|adding)|pgboss[/]engine))/;
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

/** Only `config schema` makes JSON Schema of a schema: 30 KB that lie in every command's way otherwise. */
const schemaApart = {
  name: 'schema-apart',
  setup({ onResolve }) {
    onResolve({ filter: /[/]input-schema\.js$/ }, () => ({
      path: '../input-schema.js',
      external: true,
    }));
  },
};

/** Built apart: what one of them alone needs of a library would lie in the others' chunks. */
const SIDES = [
  { main: 'src/main.ts' },
  { 'input-schema': 'src/config/input-schema.ts' },
  {
    service: 'src/service/main.ts',
    worker: 'src/service/worker/main.ts',
    // What applications import: cache-ops/service.
    library: 'src/service/index.ts',
  },
];
for (const entryPoints of SIDES) {
  const { outputFiles } = await build({
    entryPoints,
    outdir: 'dist',
    write: false,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minifySyntax: true,
    minifyWhitespace: true,
    chunkNames: 'chunks/[name]-[hash]',
    // CommonJS dependencies call require() for Node's own modules.
    banner: { js: 'const require = globalThis.process.getBuiltinModule;' },
    // Optional native accelerator of pg that nobody here installs.
    external: ['pg-native'],
    plugins: [lazyChildProcess, schemaApart, oneCore, page],
    logLevel: 'warning',
  });
  mkdirSync('dist/chunks', { recursive: true });
  for (const { path, text } of outputFiles) writeFileSync(path, withBuiltins(text));
}

/**
 * An import of one of Node's own modules makes Node 20 read all of its exports, which loads parts that
 * nobody asked for: 5 ms of a start. `process.getBuiltinModule` gives the module as it is.
 */
function withBuiltins(text) {
  return text.replace(
    /\bimport(?: (\w+) |(\{[^}]*\})|\*as (\w+) )from"(node:[^"]+)";/g,
    (_, own, named, all, module) => {
      const names = own ?? all ?? named.replaceAll(' as ', ':');
      return `const ${names}=globalThis.process.getBuiltinModule("${module}");`;
    },
  );
}
