import type { Case } from './matrix.js';
import { clusterStage, postgresStage, proxyStage, sentinelStage, socketStage } from './stages.js';

const alone = { control: 'none' } as const;
const degrades = { reason: /never reported memory mode/ };
const answers = { reason: /requests failed \((write|read): answered 500\)/ };

const down = {
  argv: ['redis-down'],
  breaking: 'stopping Redis',
  broken: 'Redis is stopped',
  mending: 'starting Redis again',
  fails: degrades,
};
const hang = {
  breaking: 'letting Redis hang',
  broken: 'Redis hangs',
  mending: 'letting Redis go on',
  fails: degrades,
};
const failover = {
  argv: ['redis-failover'],
  breaking: 'taking the master away',
  broken: 'the master is away',
  mending: 'bringing it back',
  judging: 'is master now',
  fails: answers,
};

const latency = {
  argv: ['redis-latency'],
  breaking: 'delaying Redis',
  broken: 'Redis answers late',
  mending: 'ending the delay',
  fails: answers,
};
const reset = {
  argv: ['redis-reset'],
  breaking: 'resetting connections to Redis',
  broken: 'connections to Redis are reset',
  mending: 'letting connections be',
  fails: degrades,
};
const blackhole = {
  argv: ['redis-blackhole'],
  breaking: 'cutting Redis off',
  broken: 'Redis is cut off',
  mending: 'letting Redis be reached again',
  fails: degrades,
};
/** The settings of Redis are as they are all along, and the proxy passes all on when the drill is dead. */
const standing = { stage: proxyStage, lasts: false };

/** Every drill, by each way to do it that is one of this machine. */
export const CASES = {
  down: { title: 'redis-down', ...down },
  port: {
    title: 'redis-down over the connection alone, by CONFIG SET port',
    ...down,
    options: { control: { yaml: '{ connection: true }' }, aof: false },
  },
  freeze: { title: 'redis-hang by SIGSTOP', argv: ['redis-hang'], ...hang },
  pause: {
    title: 'redis-hang by CLIENT PAUSE, over the connection alone',
    argv: ['redis-hang', '--max-degrade', '3s'],
    options: alone,
    lasts: false,
    ...hang,
  },
  latency: { title: 'redis-latency', ...latency, options: alone },
  reset: { title: 'redis-reset', ...reset, options: alone },
  blackhole: { title: 'redis-blackhole', ...blackhole, options: alone },
  latencyByProxy: { title: 'redis-latency by a standing proxy', ...latency, ...standing },
  resetByProxy: { title: 'redis-reset by a standing proxy', ...reset, ...standing },
  blackholeByProxy: { title: 'redis-blackhole by a standing proxy', ...blackhole, ...standing },
  stutter: {
    title: 'redis-latency by CLIENT PAUSE, where there is no place for a proxy',
    ...latency,
    stage: socketStage,
    lasts: false,
  },
  sever: {
    title: 'redis-reset by CLIENT KILL, where there is no place for a proxy',
    ...reset,
    stage: socketStage,
    lasts: false,
  },
  pauseForHole: {
    title: 'redis-blackhole by CLIENT PAUSE, where there is no place for a proxy',
    ...blackhole,
    argv: ['redis-blackhole', '--max-degrade', '3s'],
    stage: socketStage,
    lasts: false,
  },
  auth: {
    title: 'redis-auth',
    argv: ['redis-auth'],
    breaking: 'switching the user off',
    broken: 'Redis refuses the password',
    mending: 'switching the user on again',
    options: alone,
    fails: degrades,
  },
  maxclients: {
    title: 'redis-maxclients',
    argv: ['redis-maxclients'],
    breaking: 'taking every connection',
    broken: 'Redis refuses connections',
    mending: 'giving the connections back',
    options: alone,
    fails: degrades,
  },
  full: {
    title: 'redis-full',
    argv: ['redis-full'],
    breaking: 'filling Redis',
    broken: 'Redis is full',
    mending: 'freeing Redis',
    options: { ...alone, config: ['maxmemory 300mb', 'maxmemory-policy allkeys-lru'] },
    fails: { ...answers, double: 'brimful' },
  },
  restart: {
    title: 'redis-restart-data',
    ...down,
    argv: ['redis-restart-data'],
    report: { facts: { data_keys: 120, data_wrong: 0, keys_gone: 0 } },
  },
  sentinel: {
    title: 'redis-failover of a Sentinel by SIGTERM',
    ...failover,
    stage: (failing) => sentinelStage('process', failing),
  },
  sentinelPort: {
    title: 'redis-failover of a Sentinel over the connection alone',
    ...failover,
    stage: (failing) => sentinelStage('connection', failing),
  },
  cluster: {
    title: 'redis-failover of a Cluster by SIGTERM',
    ...failover,
    stage: clusterStage,
  },
  postgres: {
    title: 'postgres-down',
    argv: ['postgres-down'],
    breaking: 'stopping Postgres',
    broken: 'Postgres is stopped',
    mending: 'starting Postgres again',
    stage: postgresStage,
    fails: answers,
  },
} satisfies Record<string, Case>;
