import { chmodSync, chownSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CacheOpsError } from '../errors.js';
import { launch, onFreePort, plainEnvironment } from './launch.js';
import type { Scene } from './sandbox.js';
import { type Member, openToAll } from './site.js';

export interface PostgresMember extends Member {
  port: number;
}

type User = { uid: number; gid: number };

/**
 * Makes a database cluster in `folder`/postgres and starts Postgres on it; it takes connections
 * when this resolves. User and database are `postgres`. It asks for the password even on the
 * loopback: other users of this machine are not let in, and the ways of signing in and of keeping
 * a secret are the ones of a real estate. Nothing is synced to disk: it is thrown away anyway.
 */
export async function startPostgres(
  installed: string,
  folder: string,
  password: string,
  { env, host, signal }: Scene,
): Promise<PostgresMember> {
  // Postgres refuses to run as root.
  const user = host.uid === 0 ? unprivilegedUser() : undefined;
  const home = join(folder, 'postgres');
  mkdirSync(home, { mode: 0o700 });
  const data = join(home, 'data');
  const passwordFile = join(home, 'password');
  const log = join(home, 'postgres.log');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user) for (const path of [passwordFile, home]) chownSync(path, user.uid, user.gid);
  const bin = user && !openToAll(installed) ? copyOut(installed, folder) : installed;
  const base = { cwd: home, env: plainEnvironment(env, folder), log, user };

  const initialize: [string, ...string[]] = [
    join(bin, 'initdb'),
    ...['-D', data, '-U', 'postgres', '--pwfile', passwordFile],
    ...['--auth', 'scram-sha-256', '-E', 'UTF8', '--locale', 'C', '--no-sync'],
  ];
  await launch({ ...base, name: 'initdb', command: initialize }, signal);

  const port = await onFreePort(log, async (free) => {
    const settings = {
      listen_addresses: '127.0.0.1',
      port: free,
      // Only reached by its port; a socket's path may be too long for some systems.
      unix_socket_directories: '',
      // All it leaves behind is in its folder, not in /dev/shm.
      dynamic_shared_memory_type: 'mmap',
      shared_buffers: '16MB',
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    await launch(
      { ...base, name: 'postgres', command: [join(bin, 'postgres'), '-D', data, ...flags] },
      signal,
      () => isReady(data),
    );
    return free;
  });
  const address = `127.0.0.1:${port}`;
  return { name: 'postgres', address, pidFile: join(data, 'postmaster.pid'), port };
}

/** As `pg_ctl --wait` sees it: line 8 of postmaster.pid. The port alone is open before that. */
function isReady(data: string): boolean {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    return lines[7]?.trim() === 'ready';
  } catch {
    return false;
  }
}

/** The user postgres, where a system package has made it; else nobody. */
function unprivilegedUser(): User {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (Number(uid) > 0 && Number(gid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new CacheOpsError(
    'unavailable',
    'Postgres does not run as root, and there is neither a user postgres nor nobody',
    'run the sandbox as another user',
  );
}

/** Copies the programs out of a folder, such as root's home, that the other user cannot reach. */
function copyOut(installed: string, folder: string): string {
  const copy = join(folder, 'postgres-programs');
  cpSync(dirname(installed), copy, { recursive: true, verbatimSymlinks: true });
  chmodSync(copy, 0o755);
  return join(copy, basename(installed));
}
