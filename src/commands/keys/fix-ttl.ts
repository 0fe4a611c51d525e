import type { Config } from '../../config/load.js';
import { withoutTtl } from '../../keys/bulk/select.js';
import { rulesOf } from '../../keys/rules.js';
import type { RedisTarget } from '../../redis/target.js';
import type { Change } from './change.js';
import { queuePrefixes } from './queue-prefixes.js';
import type { Where } from './targets.js';

/** Keys without a TTL get the one of their rule. */
export function fixTtl(config: Config, target: RedisTarget, where: Where): Change {
  const rules = rulesOf(config);
  return {
    action: 'fix-ttl',
    target,
    where,
    what: `keys without a TTL whose rule has one${rules.built_in ? " (the estate's own rules)" : ''}`,
    select: withoutTtl(rules, queuePrefixes(config, target)),
    guard: () => {},
  };
}
