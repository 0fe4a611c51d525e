import { judgeLimit, judgePolicy } from '../memory/findings.js';
import { keysIn, numberIn } from '../redis/info.js';
import { memoryOf } from '../redis/memory.js';
import { age, percentText, printable } from '../words.js';
import type { Client, RedisFacts } from './redis-facts.js';
import { type Advised, advise, type Check } from './result.js';

/** How it is used: memory and what goes at its limit, keys, clients, time-outs. */
export const USE_CHECKS: readonly Check<RedisFacts>[] = [memory, keys, idleClients, timeouts];

const WHY: Record<string, string> = {
  limit: 'without a limit below what the host has, the system ends it without a warning',
  policy: 'the policy decides at the limit whether data goes or writes fail',
  evictions: 'a job whose key is evicted is never run and never reported',
  refused_writes: 'applications were told OOM, and fell back to memory or failed',
};

function memory({ info, roles, target, cgroup }: RedisFacts): Advised[] {
  if (info.used_memory === undefined) return [];
  const { capacity } = target.config;
  const common = {
    memory: {
      ...memoryOf(info, { capacity, cgroup }),
      maxmemory_bytes: numberIn(info, 'maxmemory'),
      cgroup_bytes: cgroup ?? null,
      host_bytes: numberIn(info, 'total_system_memory'),
    },
    roles,
    target: target.name,
    refused_writes: Number(/count=(\d+)/.exec(info.errorstat_OOM ?? '')?.[1] ?? 0),
    keys: keysIn(info),
    // Keys without a time to live have a finding of their own here, with names.
    no_ttl: null,
    evicted_keys: numberIn(info, 'evicted_keys'),
    rate: null,
  };
  return [...judgeLimit(common), ...judgePolicy(common)].map((finding) => ({
    ...finding,
    why: WHY[finding.metric] ?? '',
  }));
}

function keys({ sample, target, roles }: RedisFacts): Advised[] {
  if (!sample || sample.no_ttl === 0) return [];
  const { no_ttl, looked_at, examples } = sample;
  const besides = roles.includes('queue') ? ' besides those of queues' : '';
  const shown = examples.map(printable).join(', ');
  return [
    advise('warn', 'no_ttl', {
      message: `${no_ttl} of ${looked_at} keys looked at${besides} (${percentText(no_ttl / looked_at)}) never expire: ${shown}`,
      why: 'every set carries a TTL here: what never expires fills the memory',
      mend: `cache-ops keys audit ${target.name} --fix-ttl`,
    }),
  ];
}

/** Seconds. A pool that rests for an hour is normal; over days it is a connection that nobody closes. */
const LONG_IDLE = 24 * 3_600;

function idleClients({ clients, config }: RedisFacts): Advised[] {
  // Those that subscribe, block or replicate are silent by nature.
  const idle = clients.filter(
    ({ flags = '', idle: seconds }) => Number(seconds) > LONG_IDLE && !/[bSMPO]/.test(flags),
  );
  if (idle.length === 0) return [];
  const longest = idle.reduce((a, b) => (Number(a.idle) >= Number(b.idle) ? a : b));
  const never = config.timeout === '0';
  return [
    advise('warn', 'idle_clients', {
      message: `${idle.length} of ${clients.length} clients have been idle for more than a day, the longest ${who(longest)} for ${age(Number(longest.idle))}`,
      why: 'each takes a place of maxclients: a leak of them ends in refused connections',
      mend: never ? `CONFIG SET timeout ${LONG_IDLE}` : `CLIENT KILL ID ${longest.id}`,
    }),
  ];
}

function who({ id, name, addr }: Client): string {
  return printable(`${id}${name ? ` ${name}` : ''} from ${addr}`);
}

function timeouts({ config }: RedisFacts): Advised[] {
  const findings: Advised[] = [];
  if (config['tcp-keepalive'] === '0')
    findings.push(
      advise('warn', 'tcp_keepalive', {
        message: 'dead peers are never noticed: tcp-keepalive is 0',
        why: 'connections whose machine is gone (a scaled-down instance) stay for ever',
        mend: 'CONFIG SET tcp-keepalive 300',
      }),
    );
  if (Number(config['slowlog-log-slower-than'] ?? 0) < 0)
    findings.push(
      advise('warn', 'slowlog', {
        message: 'slow commands are not logged',
        why: 'when it is slow there is nothing that says why',
        mend: 'CONFIG SET slowlog-log-slower-than 10000',
      }),
    );
  return findings;
}
