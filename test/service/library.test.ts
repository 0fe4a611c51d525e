import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, it, onTestFinished } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;

it('what applications import is one module of the package, with types', async () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(exports['./service']).toEqual({
    types: './dist/types/index.d.ts',
    default: './dist/library.js',
  });
  const folder = mkdtempSync(join(tmpdir(), 'library-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const types = join(folder, 'types');
  execFileSync('npx', ['tsc', '-p', 'tsconfig.service.json', '--outDir', types], { cwd: root });
  const declared = readFileSync(join(types, 'index.d.ts'), 'utf8');
  expect(declared).toContain('BatchRunner');
  expect(readFileSync(join(types, 'cache/types.d.ts'), 'utf8')).toContain(
    '/** The value, or undefined',
  );
  const outfile = join(folder, 'library.mjs');
  await build({
    entryPoints: [join(root, 'src/service/index.ts')],
    ...{ outfile, bundle: true, platform: 'node', format: 'esm', external: ['pg-native'] },
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  const { MemoryCache, retried } = await import(outfile);
  const cache = new MemoryCache();
  await cache.set('k', { a: 1 });
  expect(await retried(() => cache.get('k'))).toEqual({ a: 1 });
  cache.close();
});
