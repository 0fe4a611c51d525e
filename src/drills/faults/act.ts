import { join } from 'node:path';
import type { Access } from '../../redis/target.js';
import type { Scene } from '../guard.js';
import { aclBreaker } from './acl.js';
import type { Actor, Breaker, Live } from './breaker.js';
import { crowdBreaker } from './crowd.js';
import type { Fault, Way, WayOf } from './fault.js';
import { fillBreaker } from './fill.js';
import { freezeBreaker, pauseBreaker } from './hang.js';
import { killBreaker } from './kill.js';
import { proxyBreaker, severBreaker, stutterBreaker } from './network.js';
import { portBreaker } from './port.js';
import { commandBreaker, processBreaker } from './stop.js';
import { toxicBreaker } from './toxic.js';

const BREAKERS: { [K in Way['kind']]: Breaker<WayOf<K>> } = {
  process: processBreaker,
  command: commandBreaker,
  freeze: freezeBreaker,
  pause: pauseBreaker,
  stutter: stutterBreaker,
  sever: severBreaker,
  port: portBreaker,
  proxy: proxyBreaker,
  toxic: toxicBreaker,
  acl: aclBreaker,
  crowd: crowdBreaker,
  fill: fillBreaker,
  kill: killBreaker,
};

/** Breaks the target and returns when it is broken. */
export function inject(fault: Fault, actor: Actor): Promise<Live | undefined> {
  return breakerOf(fault.way).inject(fault, fault.way, actor);
}

/** Makes the target good and returns when it is. Safe to repeat, and by any process. */
export function restore(fault: Fault, actor: Actor, settled: boolean): Promise<void> {
  return breakerOf(fault.way).restore(fault, fault.way, actor, settled);
}

/** How it is broken and made good, in words. */
export function inWords({ way }: Fault): { breaks: string; mends: string } {
  return breakerOf(way).words(way);
}

function breakerOf({ kind }: Way): Breaker<Way> {
  return BREAKERS[kind] as Breaker<Way>;
}

/** Who acts on the fault of the drill in `folder`. The configuration is read once, when it is first needed. */
export function actorFor(
  { host, env }: Pick<Scene, 'host' | 'env'>,
  fault: Fault,
  folder: string,
): Actor {
  let access: Promise<Access> | undefined;
  return {
    host,
    env,
    log: join(folder, 'watchdog.log'),
    access() {
      access ??= accessOf(fault, env);
      return access;
    },
  };
}

/** The secrets are not in the journal: they are where they were when the drill began. */
async function accessOf({ target, config, endpoint }: Fault, env: Actor['env']): Promise<Access> {
  const [{ loadConfig }, { redisTarget }] = await Promise.all([
    import('../../config/load.js'),
    import('../../redis/target.js'),
  ]);
  const { file, cwd } = config;
  const estate = await loadConfig({ env, cwd, ...(file && { file }) });
  if (!endpoint) throw new Error(`${target} does not listen anywhere`);
  return { ...redisTarget(estate, target).nodeAccess, endpoint };
}
