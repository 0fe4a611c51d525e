import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { extractPackages, hasApt } from './apt.mjs';
import { installPostgres } from './postgres.mjs';

/** Something cannot be had here; the message says what to install. */
export class Missing extends Error {}

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'cache-ops', 'servers');
/** Set to see that everything can be brought where nothing is installed. */
const ignoreSystem = process.env.CACHE_OPS_BOOTSTRAP_IGNORE_SYSTEM === '1';

export function ensureRedis() {
  if (has('redis', ['redis-server', 'redis-cli'])) return;
  const hint = 'redis-server is missing: apt-get install redis-server, or brew install redis';
  if (!hasApt()) throw new Missing(hint);
  bring('redis-server', hint, () =>
    extractPackages(join(cache, 'redis'), ['redis-server', 'redis-tools'], {
      programs: ['redis-server', 'redis-cli', 'redis-benchmark'],
      check: ['redis-server', '--version'],
    }),
  );
}

export function ensurePostgres() {
  if (has('postgres', ['initdb', 'postgres'])) return;
  const hint = 'PostgreSQL is missing: apt-get install postgresql, or brew install postgresql';
  bring('PostgreSQL', hint, () => installPostgres(join(cache, 'postgres')));
}

/** Only the tests of shell completion need them; without apt those tests say that they are skipped. */
export function ensureShells() {
  const missing = ['zsh', 'fish'].filter((shell) => !has('shells', [shell]));
  if (missing.length === 0 || !hasApt()) return;
  try {
    bring('zsh and fish', '', () =>
      extractPackages(join(cache, 'shells'), ['zsh', 'zsh-common', 'fish', 'fish-common'], {
        programs: ['zsh', 'fish'],
        check: ['zsh', '--version'],
      }),
    );
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    say('zsh and fish could not be brought; their completion tests are skipped');
  }
}

/** Only one test of alerts needs it; without apt that test says that it is skipped. */
export function ensureAlertmanager() {
  const program = 'prometheus-alertmanager';
  if (has('alertmanager', [program]) || !hasApt()) return;
  try {
    bring('Alertmanager', '', () =>
      extractPackages(join(cache, 'alertmanager'), [program], {
        programs: [program],
        check: [program, '--version'],
      }),
    );
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    say('Alertmanager could not be brought; its test is skipped');
  }
}

/** Only the tests of the HTML report need it; without apt those tests say that they are skipped. */
export function ensureBrowser() {
  if (['chromium', 'google-chrome'].some((browser) => has('browser', [browser]))) return;
  if (!hasApt()) return;
  try {
    bring('Chromium', '', () =>
      extractPackages(
        join(cache, 'browser'),
        ['chromium', 'chromium-common', 'fontconfig-config', 'fonts-dejavu-core'],
        { programs: ['chromium'], check: ['chromium', '--version'] },
      ),
    );
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    say('Chromium could not be brought; the browser tests are skipped');
  }
}

/** Only the tests of the docker driver need one; without apt or root those tests say that they are skipped. */
export function ensureEngine() {
  const programs = ['podman', 'conmon', 'runc'];
  if (has('engine', programs) || !hasApt() || process.getuid?.() !== 0) return;
  try {
    bring('podman', '', () =>
      extractPackages(
        join(cache, 'engine'),
        [...programs, 'golang-github-containers-common', 'golang-github-containers-image'],
        { programs, check: ['runc', '--version'] },
      ),
    );
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    say('podman could not be brought; the tests on a container engine are skipped');
  }
}

function bring(what, hint, work) {
  say(`fetching ${what}`);
  try {
    work();
  } catch (error) {
    say(error.message.split('\n')[0]);
    throw new Missing(hint);
  }
}

/** Whether all programs are on this machine, or have been brought before. */
function has(kind, programs) {
  const folders = ignoreSystem
    ? []
    : [...(process.env.PATH ?? '').split(delimiter), ...postgresFolders()];
  return programs.every((program) =>
    [...folders, join(cache, kind, 'bin')].some((folder) => isThere(join(folder, program))),
  );
}

function postgresFolders() {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return [];
  return readdirSync(root).map((version) => join(root, version, 'bin'));
}

function isThere(path) {
  try {
    return realpathSync(path) !== '';
  } catch {
    return false;
  }
}

function say(text) {
  process.stderr.write(`bootstrap: ${text}\n`);
}
