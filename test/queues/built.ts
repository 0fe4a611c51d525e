import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

/**
 * The command line as its source is now, in a folder of its own: what is killed must be a process,
 * and `dist` may be built anew meanwhile.
 */
export async function buildCli(): Promise<{ bin: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-built-'));
  const root = new URL('../..', import.meta.url).pathname;
  await build({
    entryPoints: { main: join(root, 'src/main.ts') },
    outdir: join(folder, 'dist'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // The page of a report is not what is tested here.
    external: ['pg-native', 'page:*'],
    logLevel: 'warning',
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
    },
  });
  return {
    bin: join(folder, 'dist', 'main.js'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
