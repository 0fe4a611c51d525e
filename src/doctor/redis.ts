import { worst } from '../health/finding.js';
import type { Limits } from '../redis/channel.js';
import { versionIn } from '../redis/info.js';
import { everyServer } from '../redis/servers.js';
import type { RedisTarget } from '../redis/target.js';
import { ACCESS_CHECKS } from './redis-access.js';
import { DURABILITY_CHECKS } from './redis-durability.js';
import { type RedisFacts, readFacts } from './redis-facts.js';
import { USE_CHECKS } from './redis-use.js';
import { VERSION_CHECKS } from './redis-version.js';
import { type Advised, type Audited, advise } from './result.js';

const CHECKS = [...ACCESS_CHECKS, ...DURABILITY_CHECKS, ...USE_CHECKS, ...VERSION_CHECKS];

/** What a Redis is there for: its roles, and the prefixes of the BullMQ queues that it holds. */
export interface Purpose {
  roles: RedisFacts['roles'];
  prefixes: readonly string[];
}

/** Every server of a target. Reads only. */
export async function auditRedis(
  target: RedisTarget,
  purpose: Purpose,
  limits: Limits,
): Promise<Audited[]> {
  const seen = await everyServer(target, limits, (channel, access) =>
    readFacts(channel, target, access, purpose, limits),
  );
  return seen.map(({ address, value, problem }): Audited => {
    const line = { kind: 'redis' as const, target: target.name, address };
    if (!value) {
      const { code = 'failed', reason = '', next = [] } = problem ?? {};
      const away = advise('critical', code, {
        message: reason,
        why: 'what cannot be asked cannot be audited',
        mend: next[0] ?? null,
      });
      return {
        ...line,
        version: null,
        reachable: false,
        status: 'critical',
        findings: [away],
        checked: 0,
      };
    }
    const findings = [...CHECKS.flatMap((check) => check(value)), ...unread(value)];
    return {
      ...line,
      version: versionIn(value.info),
      reachable: true,
      status: worst(findings.map(({ status }) => status)),
      findings,
      checked: CHECKS.length,
    };
  });
}

/** What this user may not ask is unknown, not fine. */
function unread({ refused, user = 'default' }: RedisFacts): Advised[] {
  const rights: Record<string, string> = {
    INFO: '+info',
    'ACL GETUSER': '+acl|getuser',
    'ACL WHOAMI': '+acl|whoami',
    'CONFIG GET': '+config|get',
    'CLIENT LIST': '+client|list',
  };
  return refused.map(({ command, reason }) =>
    advise('unknown', 'rights', {
      message: `${command} is not to be had: ${reason}`,
      why: 'the settings behind it could not be looked at',
      mend: `ACL SETUSER ${user} ${rights[command] ?? ''}`,
    }),
  );
}
