// The browser's side of the HTML reports: of each page its script and its style as two texts in a
// module, for the build and for the tests.
import { build } from 'esbuild';

/** The folder of each page, by what it is imported as. */
const PAGES = {
  'page:memory': 'src/memory/html/page',
  'page:drill': 'src/drills/html/page',
};

/** Whether it is one of these modules. */
export const isPage = (id) => Object.hasOwn(PAGES, id);

/** The source of such a module. */
export async function pageModule(id) {
  const { outputFiles } = await build({
    entryPoints: ['main.ts', 'page.css'].map((name) => `${PAGES[id]}/${name}`),
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

/** The same for vitest. */
export const pages = {
  name: 'pages',
  resolveId: (id) => (isPage(id) ? `\0${id}` : null),
  load: (id) => (isPage(id.slice(1)) ? pageModule(id.slice(1)) : null),
};
