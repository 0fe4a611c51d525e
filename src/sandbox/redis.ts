import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openChannel } from '../redis/channel.js';
import { launch, onFreePort, plainEnvironment } from './launch.js';
import type { Scene } from './sandbox.js';
import type { Member } from './site.js';

export interface RedisMember extends Member {
  port: number;
  /** Shell command that starts this same server again, from any folder. */
  start: string;
}

/** Starts redis-server with AOF and a password in `folder`/redis; it answers when this resolves. */
export async function startRedis(
  program: string,
  folder: string,
  password: string,
  { env, signal }: Scene,
): Promise<RedisMember> {
  const home = join(folder, 'redis');
  mkdirSync(home, { mode: 0o700 });
  const config = join(home, 'redis.conf');
  const pidFile = join(home, 'redis.pid');
  const log = join(home, 'redis.log');
  return onFreePort(log, async (port) => {
    writeFileSync(config, settings({ home, port, password, pidFile, log }), { mode: 0o600 });
    await launch(
      {
        name: 'redis-server',
        command: [program, config],
        cwd: home,
        env: plainEnvironment(env, folder),
        log,
      },
      signal,
      () => answers(port, password, signal),
    );
    const address = `127.0.0.1:${port}`;
    return { name: 'redis', address, pidFile, port, start: `${word(program)} ${word(config)}` };
  });
}

function settings(at: {
  home: string;
  port: number;
  password: string;
  pidFile: string;
  log: string;
}): string {
  return [
    'bind 127.0.0.1',
    `port ${at.port}`,
    `requirepass ${at.password}`,
    `dir "${at.home}"`,
    `pidfile "${at.pidFile}"`,
    `logfile "${at.log}"`,
    // In the foreground, so that its end is seen if it cannot start; who starts it again does the same.
    'daemonize no',
    'appendonly yes',
    'appendfsync everysec',
    'save 300 100 60 10000',
    'maxmemory 256mb',
    // Queues live here too, and an evicted job is lost without a word.
    'maxmemory-policy noeviction',
    '',
  ].join('\n');
}

async function answers(port: number, password: string, signal: AbortSignal): Promise<boolean> {
  try {
    const channel = await openChannel(
      { endpoint: { host: '127.0.0.1', port }, password },
      { timeout: 1_000, signal },
    );
    channel.close();
    return true;
  } catch {
    return false;
  }
}

/** A word for the shell, quoted where it must be. */
function word(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
