import { existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readHealth } from '../applications/client.js';
import { quote } from '../drills/drivers/rehearse.js';
import { CacheOpsError } from '../errors.js';
import type { Host } from '../io.js';
import { applicationConfig, KEYS } from './config.js';
import { launch, onFreePort, plainEnvironment } from './launch.js';
import type { Scene } from './sandbox.js';
import type { Member } from './site.js';

export interface ServiceMember extends Member {
  url: string;
  /** Shell command that starts it again. */
  start: string;
}

/** Milliseconds that a worker may be silent before another takes its batch up: a drill is not to wait long. */
const LEASE = 3_000;

/** The built reference service or its worker: beside the command, in the repository as in the package. */
export function builtProgram({ entry }: Host, name: 'service' | 'worker'): string {
  const program = join(dirname(realpathSync(entry)), '..', 'dist', `${name}.js`);
  if (existsSync(program)) return program;
  throw new CacheOpsError(
    'unavailable',
    `the reference ${name} is not there: ${program}`,
    'in a clone of the repository: npm run build',
  );
}

/** Starts an instance of the reference service; it serves from Redis when this resolves. */
export async function startService(
  name: string,
  program: string,
  folder: string,
  urls: { redis: string; postgres: string },
  { env, host, signal }: Scene,
): Promise<ServiceMember> {
  const home = join(folder, name);
  mkdirSync(home, { mode: 0o700 });
  const pidFile = join(home, 'service.pid');
  const log = join(home, 'service.log');
  return onFreePort(log, async (port) => {
    const url = `http://127.0.0.1:${port}`;
    const variables = {
      ...plainEnvironment(env, folder),
      PORT: String(port),
      INSTANCE_ID: name,
      PID_FILE: pidFile,
      REDIS_URL: urls.redis,
      DATABASE_URL: urls.postgres,
      // Nothing is opened in it before there is a split task.
      QUEUE_TYPE: 'redis',
      CACHE_TYPE: 'redis',
      BATCH_LEASE_MS: String(LEASE),
      REDIS_PREFIX: KEYS.prefix,
      ENV: KEYS.environment,
    };
    // A drill that has killed it starts it again in the same way.
    const script = join(home, 'start.sh');
    writeFileSync(script, scriptOf(home, variables, [host.execPath, program], log), {
      mode: 0o600,
    });
    await launch(
      { name, command: ['/bin/sh', script], cwd: home, env: plainEnvironment(env, folder), log },
      signal,
      async () => {
        const application = { name, config: applicationConfig(url) };
        const { mode } = await readHealth(application, { timeout: 1_000, signal });
        return mode === 'redis';
      },
    );
    return { name, address: url, pidFile, url, start: `env -i /bin/sh ${quote(script)}` };
  });
}

/** Holds secrets: the environment that the program is to have, which no command line may show. */
function scriptOf(
  home: string,
  variables: Record<string, string>,
  command: string[],
  log: string,
): string {
  return [
    `cd ${quote(home)} || exit 1`,
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`),
    `exec ${command.map(quote).join(' ')} >>${quote(log)} 2>&1`,
    '',
  ].join('\n');
}
