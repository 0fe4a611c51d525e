// Debian packages without installing them: they are downloaded and extracted into a folder.
// `apt-get install redis-server` would start a service on port 6379, and needs root.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export function hasApt() {
  return spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
}

/**
 * Puts `packages`, with the libraries they need and this machine lacks, under `folder`, and makes
 * a small script in `folder/bin` for each program that runs it with those libraries.
 */
export function extractPackages(folder, packages, { programs, check }) {
  mkdirSync(dirname(folder), { recursive: true });
  // Made beside its place and then renamed: two bootstraps at once do no harm.
  const draft = mkdtempSync(`${folder}.`);
  try {
    const apt = aptOptions(draft);
    const wanted = [...packages, ...missingLibraries(apt, packages)];
    execFileSync('apt-get', [...apt, 'download', ...wanted], {
      cwd: draft,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    for (const file of readdirSync(draft).filter((name) => name.endsWith('.deb'))) {
      execFileSync('dpkg-deb', ['-x', file, 'root'], { cwd: draft });
      rmSync(join(draft, file));
    }
    mkdirSync(join(draft, 'bin'));
    for (const program of programs) writeScript(draft, program);
    const [program, ...args] = check;
    execFileSync(join(draft, 'bin', program), args, { stdio: 'ignore' });
    rmSync(join(draft, 'apt'), { recursive: true, force: true });
    chmodSync(draft, 0o755);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(join(folder, 'bin'))) throw error;
  }
}

/** The script ends in exec, so that the process has the id and the name of the program itself. */
function writeScript(folder, program) {
  // usr/bin/chromium is a script that looks for the rest of itself in places of the system.
  const at = ['usr/lib/chromium', 'usr/bin', 'bin', 'usr/sbin'].find((path) =>
    existsSync(join(folder, 'root', path, program)),
  );
  if (!at) throw new Error(`${program} is in none of the packages`);
  if (BUILT_IN[program]) makeRelative(join(folder, 'root', at, program), BUILT_IN[program]);
  const script = `#!/bin/sh
here=$(dirname "$(dirname "$(readlink -f "$0")")")
libraries=$(echo "$here"/root/usr/lib/*-linux-gnu*):$(echo "$here"/root/lib/*-linux-gnu*)
${ENVIRONMENT[program] ?? ''}LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/root/${at}/${program}" "$@"
`;
  writeFileSync(join(folder, 'bin', program), script, { mode: 0o755 });
}

/** These look for files in a place of the system that cannot be named to them. */
const BUILT_IN = { 'prometheus-alertmanager': '/usr/share/prometheus/alertmanager' };

/** Makes the program look in its working folder instead: by a path of the same length, so that nothing moves. */
function makeRelative(file, path) {
  const bytes = readFileSync(file);
  const here = './'.repeat(path.length / 2).padEnd(path.length, '/');
  for (let at = bytes.indexOf(path); at >= 0; at = bytes.indexOf(path, at)) bytes.write(here, at);
  writeFileSync(file, bytes);
}

/** These look for files of their own where a real installation has them. */
const ENVIRONMENT = {
  zsh: 'export MODULE_PATH=$(echo "$here"/root/usr/lib/*-linux-gnu*/zsh/*)\nexport FPATH=$(find "$here/root/usr/share/zsh" -type d | tr "\\n" ":")\n',
  fish: 'export XDG_DATA_DIRS="$here/root/usr/share:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}"\n',
  'prometheus-alertmanager': 'cd "$here/root/usr/share/prometheus/alertmanager"\n',
  chromium:
    'export FONTCONFIG_PATH="$here/root/etc/fonts" XDG_DATA_HOME="$here/root/usr/share"\nlibraries=$libraries:$(echo "$here"/root/usr/lib/*-linux-gnu*/pulseaudio)\n',
};

/** Without root, apt gets lists of its own; they are read anew only where there are none. */
function aptOptions(draft) {
  const strict = ['-qq', '-o', 'APT::Update::Error-Mode=any'];
  if (known([], 'redis-server')) return strict;
  if (process.getuid?.() === 0) {
    execFileSync('apt-get', [...strict, 'update'], { stdio: ['ignore', 'ignore', 'pipe'] });
    return strict;
  }
  const state = join(draft, 'apt');
  mkdirSync(join(state, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(state, 'cache', 'archives', 'partial'), { recursive: true });
  const own = [
    ...strict,
    '-o',
    `Dir::State=${state}`,
    '-o',
    `Dir::Cache=${join(state, 'cache')}`,
    '-o',
    'Dir::State::status=/var/lib/dpkg/status',
  ];
  execFileSync('apt-get', [...own, 'update'], { stdio: ['ignore', 'ignore', 'pipe'] });
  return own;
}

function known(apt, name) {
  const { stdout } = spawnSync(
    'apt-cache',
    [...apt.filter((option) => option !== '-qq'), 'policy', name],
    { encoding: 'utf8' },
  );
  return /Candidate: \d/.test(stdout ?? '');
}

/** Every library package that apt would install with these packages. Simulating needs no root. */
function missingLibraries(apt, packages) {
  const plan = execFileSync(
    'apt-get',
    [...apt, '--simulate', '--no-install-recommends', 'install', ...packages],
    { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const names = [...plan.matchAll(/^Inst ((?:lib|lua)[\w.+:-]+) /gm)].map(([, name]) => name);
  return names.filter((name) => !packages.includes(name));
}
