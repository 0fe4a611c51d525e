import type { Limits } from '../redis/channel.js';
import { demand } from '../redis/channel.js';
import { openOwner } from '../redis/owner.js';
import type { RedisTarget } from '../redis/target.js';

/** Which of several watchers tells people, by a lock in Redis that expires. */
export interface Leader {
  /** Whether this one tells, as far as is known at this moment. */
  leads(): boolean;
  /** Tries to get or keep the lock now. */
  refresh(): Promise<void>;
  /** Gives the lock up, so that the next one need not wait. */
  resign(): Promise<void>;
}

export interface Candidacy {
  target: RedisTarget;
  key: string;
  /** Unlike that of any other watcher. */
  token: string;
  /** Milliseconds for which the lock is held without word from its holder. */
  ttl: number;
  limits: Limits;
  /** Told when it begins or ceases to lead, and when the lock cannot be reached. */
  notice(text: string): void;
  /** Milliseconds by a clock that nobody sets. */
  ticks(): number;
}

/** Redis away for so long: better told by two than by nobody. */
const ALONE_AFTER = 5 * 60_000;

/** Keeps the lock only where it is still one's own: https://redis.io/docs/latest/develop/use/patterns/distributed-locks/ */
const RENEW =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) else return 0 end";
const RELEASE =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

/**
 * A lock that cannot be reached elects nobody, and the Redis that it is on may be the very one that is down.
 * Then whoever led last goes on, and one that has never seen another lead begins to; the others begin after
 * five minutes. A partition may so have two that tell, never none.
 */
export function runForLeader({
  target,
  key,
  token,
  ttl,
  limits,
  notice,
  ticks,
}: Candidacy): Leader {
  let held = false;
  let until = Number.NEGATIVE_INFINITY;
  let sawAnother = false;
  let awaySince: number | undefined;

  const leads = (): boolean => {
    if (awaySince === undefined) return held && ticks() < until;
    return held || !sawAnother || ticks() - awaySince >= ALONE_AFTER;
  };

  async function ask(): Promise<boolean> {
    const { channel } = await openOwner(target, key, limits);
    try {
      const taken = demand(await channel.send('SET', key, token, 'NX', 'PX', ttl));
      return taken === 'OK' || demand(await channel.send('EVAL', RENEW, 1, key, token, ttl)) === 1;
    } finally {
      channel.close();
    }
  }

  return {
    leads,
    async refresh() {
      const led = leads();
      const asked = ticks();
      try {
        held = await ask();
        if (awaySince !== undefined) notice(`the lock of the leader on ${target.name} is back`);
        awaySince = undefined;
        // From when it was asked for: the server counts from later on.
        if (held) until = asked + ttl;
        else sawAnother = true;
      } catch (error) {
        limits.signal?.throwIfAborted();
        if (awaySince === undefined)
          notice(
            `the lock of the leader on ${target.name} cannot be reached: ${error instanceof Error ? error.message : String(error)}`,
          );
        awaySince ??= asked;
      }
      if (leads() !== led)
        notice(leads() ? 'this watcher leads: it tells the sinks' : 'another watcher leads');
    },
    async resign() {
      if (!held) return;
      held = false;
      try {
        const { channel } = await openOwner(target, key, { timeout: limits.timeout });
        await channel.send('EVAL', RELEASE, 1, key, token);
        channel.close();
      } catch {
        // It expires.
      }
    },
  };
}
