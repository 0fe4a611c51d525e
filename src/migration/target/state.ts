import { CacheOpsError } from '../../errors.js';
import type { Master, Masters } from '../../keys/masters.js';
import { cgroupLimit } from '../../redis/cgroup.js';
import { numberIn, parseInfo } from '../../redis/info.js';
import { countedIn, memoryOf } from '../../redis/memory.js';
import type { RedisTarget } from '../../redis/target.js';
import type { Expiry } from './replies.js';

/** What a migration asks of the servers that it writes to. */
export interface TargetState {
  /** Which processes they are, by master: after a restart or a failover others. */
  run_ids: string;
  /** How far the target's clock is ahead of ours, in ms. */
  ahead_ms: number;
  /** Bytes in use and the limit, over all masters; null where a server does not say. */
  used_bytes: number | null;
  limit_bytes: number | null;
  /** What says when a key expires. */
  expiry: Expiry;
}

/** Asks every master; throws `refused` for one that is too old or takes no writes. */
export async function stateOf(masters: Masters, target: RedisTarget): Promise<TargetState> {
  const states = await Promise.all(masters.nodes.map((node) => stateOfNode(node, target)));
  const sum = (numbers: (number | null)[]) =>
    numbers.reduce<number | null>(
      (total, number) => (total === null || number === null ? null : total + number),
      0,
    );
  return {
    // The nodes of a cluster are told in another order by each of them.
    run_ids: states
      .map(({ run_id }) => run_id)
      .sort()
      .join(),
    ahead_ms: Math.round(Math.max(...states.map(({ ahead_ms }) => ahead_ms))),
    used_bytes: sum(states.map(({ used }) => used)),
    limit_bytes: sum(states.map(({ limit }) => limit)),
    expiry: states.every(({ old }) => !old) ? 'PEXPIRETIME' : 'PTTL',
  };
}

async function stateOfNode({ address, access, channel }: Master, { config }: RedisTarget) {
  const began = Date.now();
  const [text, time] = await channel.pipeline([['INFO'], ['TIME']]);
  const middle = (began + Date.now()) / 2;
  const info = typeof text === 'string' ? parseInfo(text) : {};
  const version = info.redis_version?.split('.').map(Number);
  const [major = 7, minor = 0] = version ?? [];
  // SET ... PXAT: https://redis.io/docs/latest/commands/set/
  if (major < 6 || (major === 6 && minor < 2)) {
    throw new CacheOpsError(
      'refused',
      `${address} is Redis ${info.redis_version}: a migration needs 6.2 or later`,
      'it writes the moment at which a key expires (SET ... PXAT), so that a resumed run changes none',
    );
  }
  if (info.role === 'slave')
    throw new CacheOpsError('refused', `${address} is a replica: it takes no writes`);
  const [seconds, micros] = Array.isArray(time) ? time.map(Number) : [];
  const memory = memoryOf(info, {
    capacity: config.capacity,
    cgroup: cgroupLimit(access.endpoint, info),
  });
  return {
    run_id: info.run_id ?? `unknown-${crypto.randomUUID()}`,
    ahead_ms:
      seconds === undefined || micros === undefined ? 0 : seconds * 1_000 + micros / 1_000 - middle,
    used: countedIn(info) ?? numberIn(info, 'used_memory'),
    limit: memory.limit_bytes,
    old: major < 7,
  };
}

/** How full a target may get. */
export const FULLEST = 0.8;

/** The share of its memory that a target would use with so many more bytes; null where it is not known. */
export function shareWith(
  { used_bytes, limit_bytes }: Pick<TargetState, 'used_bytes' | 'limit_bytes'>,
  more: number,
): number | null {
  return used_bytes === null || !limit_bytes ? null : (used_bytes + more) / limit_bytes;
}
