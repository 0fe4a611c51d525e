import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch, plainEnvironment } from './launch.js';
import type { Scene } from './sandbox.js';
import type { Member } from './site.js';

/**
 * Starts the worker of a BullMQ and a pg-boss queue, which fills them first. When this resolves,
 * jobs have succeeded and failed, some hang, and some wait for their time.
 */
export async function startWorker(
  program: string,
  folder: string,
  urls: { redis: string; postgres: string },
  { env, host, signal }: Scene,
): Promise<Member> {
  const name = 'worker';
  const home = join(folder, name);
  mkdirSync(home, { mode: 0o700 });
  const pidFile = join(home, 'worker.pid');
  const readyFile = join(home, 'ready');
  await launch(
    {
      name,
      command: [host.execPath, program],
      cwd: home,
      env: {
        ...plainEnvironment(env, folder),
        PID_FILE: pidFile,
        READY_FILE: readyFile,
        REDIS_URL: urls.redis,
        DATABASE_URL: urls.postgres,
      },
      log: join(home, 'worker.log'),
    },
    signal,
    () => existsSync(readyFile),
  );
  return { name, address: null, pidFile };
}
