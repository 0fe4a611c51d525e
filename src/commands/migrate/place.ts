import type { Config } from '../../config/load.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { type Masters, withMasters } from '../../keys/masters.js';
import type { Plan } from '../../migration/plan/store.js';
import { type Mapping, type Shape, shapeOf } from '../../migration/shape.js';
import { type Room, roomOf, stateOf, type TargetState } from '../../migration/target/state.js';
import { describe, type RedisTarget, redisTarget } from '../../redis/target.js';
import { identify } from '../../state/identity.js';

/** `redis:main`, `main`, or a redis:// URL. */
export function targetNamed(config: Config, text: string): RedisTarget {
  return redisTarget(config, text.replace(/^redis:(?!\/\/)/, ''));
}

/** The target of a plan; refuses another one of the same name, and another environment. */
export async function targetOf(
  context: Context,
  plan: Plan,
  given: string | undefined,
): Promise<RedisTarget> {
  const config = await context.config();
  const known = given !== undefined || Object.hasOwn(config.redis, plan.target);
  const target = known ? targetNamed(config, given ?? plan.target) : undefined;
  const same = target && describe(target) === plan.address;
  if (same && config.environment === plan.environment) return target;
  throw new CacheOpsError(
    'refused',
    `${plan.id} was made for another estate: ${plan.environment}, ${plan.target} at ${plan.address}`,
    known
      ? 'use the configuration that it was made with'
      : 'name the Redis again: --to redis://...',
  );
}

/** What is needed while a plan's target is worked on. */
export interface AtTarget {
  masters: Masters;
  state: TargetState;
  limits: { timeout: number; signal: AbortSignal };
}

export function atTarget<T>(
  { settings, signal }: Context,
  target: RedisTarget,
  work: (at: AtTarget) => Promise<T>,
): Promise<T> {
  const limits = { timeout: settings.timeout, signal };
  return withMasters(target, limits, async (masters) =>
    work({ masters, limits, state: await stateOf(masters, target) }),
  );
}

export function roomAt({ settings, signal }: Context, target: RedisTarget): Promise<Room> {
  const limits = { timeout: settings.timeout, signal };
  return withMasters(target, limits, (masters) => roomOf(masters, target));
}

/** Where entries of this kind have what is needed: the operator's pointers, else the estate's own. */
export function shapeFor({ migration }: Config, kind: Plan['kind']): Shape {
  return shapeOf(kind, kind === 'keys' ? {} : (migration[kind] as Mapping | undefined));
}

export function self({ host }: Context) {
  const identity = identify(host.pid);
  if (!identity) throw new Error('this process cannot be identified');
  return identity;
}
