// The browser's side of the HTML report (src/memory/html/page): its script and its style as two texts
// in a module, for the build and for the tests.
import { build } from 'esbuild';

/** What src/memory/html imports them as. */
export const PAGE = 'page:memory';

/** The source of that module. */
export async function pageModule() {
  const { outputFiles } = await build({
    entryPoints: ['main.ts', 'page.css'].map((name) => `src/memory/html/page/${name}`),
    absWorkingDir: import.meta.dirname,
    outdir: 'nowhere',
    write: false,
    bundle: true,
    minify: true,
    format: 'iife',
    // Those that know light-dark(), the youngest thing in it.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    logLevel: 'warning',
  });
  const text = (end) => JSON.stringify(outputFiles.find(({ path }) => path.endsWith(end)).text);
  return `export const script = ${text('.js')};\nexport const style = ${text('.css')};`;
}
