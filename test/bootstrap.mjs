// Brings what `npm run demo` and `npm test` need on a machine that has only Node and npm: packages,
// the build, a real redis-server, a real Postgres, the shells whose completion is tested, a browser, an
// Alertmanager and a container engine.
// Does nothing where all of it is there. Exits 69 and says what to install when it cannot.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  ensureAlertmanager,
  ensureBrowser,
  ensureEngine,
  ensurePostgres,
  ensureRedis,
  ensureShells,
  Missing,
} from './bootstrap/servers.mjs';

process.chdir(join(import.meta.dirname, '..'));

try {
  ensurePackages();
  ensureBuild();
  ensureRedis();
  ensurePostgres();
  ensureShells();
  ensureBrowser();
  ensureAlertmanager();
  ensureEngine();
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  say(error.message);
  process.exit(69);
}

function ensurePackages() {
  const installed = 'node_modules/.package-lock.json';
  if (existsSync(installed) && age(installed) >= age('package-lock.json')) return;
  say('installing packages');
  // Not `npm ci`: a lock file written on one platform may lack optional packages of another.
  const { status } = spawnSync(
    'npm',
    ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  if (status !== 0) throw new Missing('npm install failed: is the npm registry within reach?');
}

function ensureBuild() {
  const sources = readdirSync('src', { recursive: true }).map((name) => join('src', name));
  const newest = Math.max(
    ...[...sources, 'esbuild.config.mjs', 'package.json', 'package-lock.json'].map(age),
  );
  if (existsSync('dist/main.js') && age('dist/main.js') >= newest) return;
  say('building');
  const { status } = spawnSync(process.execPath, ['esbuild.config.mjs'], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

function age(path) {
  return statSync(path).mtimeMs;
}

function say(text) {
  process.stderr.write(`bootstrap: ${text}\n`);
}
