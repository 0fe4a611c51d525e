import type { Experiment } from './experiment.js';
import { releaseCanary } from './witnesses/canary.js';
import { callCrash } from './witnesses/crash.js';
import { callData } from './witnesses/data.js';
import { callDatabase } from './witnesses/database.js';
import { callKeys, callKeysOfFull } from './witnesses/keys.js';
import { callSettings } from './witnesses/settings.js';
import { callWorkers } from './witnesses/workers.js';
import { callWriter } from './witnesses/writer.js';

/** What a drill on one Redis has unless it says otherwise. */
const REDIS = {
  server: 'redis',
  steady: 'redis',
  degraded: 'memory',
  outage: true,
  changes: 2,
  needsApplications: true,
  persistence: false,
  params: {},
  witnesses: [releaseCanary, callSettings],
  limits: {
    settle: 1_000,
    hold: 3_000,
    maxDegrade: 10_000,
    maxRecover: 30_000,
    deadline: 180_000,
  },
} as const satisfies Partial<Experiment>;

/** A limit that a drill over the connection alone keeps, too: CLIENT PAUSE is 10 s at most. */
const BRIEF = { ...REDIS.limits, maxDegrade: 5_000 };

/** Every drill there is. */
export const EXPERIMENTS: readonly Experiment[] = [
  {
    ...REDIS,
    name: 'redis-down',
    summary: 'stop Redis; the applications must go on in memory mode and come back',
    effect: 'stop',
    persistence: true,
    words: words('Stop Redis', 'stopping Redis', 'Redis is stopped', 'starting Redis again'),
  },
  {
    ...REDIS,
    name: 'redis-hang',
    summary: 'let Redis hang, its connections open; only time-outs help the applications',
    effect: 'hang',
    words: words('Let Redis hang', 'letting Redis hang', 'Redis hangs', 'letting Redis go on'),
    limits: BRIEF,
  },
  {
    ...REDIS,
    name: 'redis-latency',
    summary: 'let Redis answer late; the applications must answer rightly, in either mode',
    effect: 'latency',
    degraded: 'either',
    outage: false,
    // Who is sent through a proxy is cut off from Redis for a moment, twice.
    changes: 4,
    params: { delay: 500, jitter: 0 },
    words: words('Delay Redis', 'delaying Redis', 'Redis answers late', 'ending the delay'),
  },
  {
    ...REDIS,
    name: 'redis-reset',
    summary: 'reset every connection to Redis that is used, again and again',
    effect: 'reset',
    words: words(
      'Reset connections to Redis',
      'resetting connections to Redis',
      'connections to Redis are reset',
      'letting connections be',
    ),
  },
  {
    ...REDIS,
    name: 'redis-blackhole',
    summary: 'let whatever is sent to Redis vanish, as behind a broken firewall',
    effect: 'blackhole',
    words: words(
      'Let all vanish that is sent to Redis',
      'cutting Redis off',
      'Redis is cut off',
      'letting Redis be reached again',
    ),
    limits: BRIEF,
  },
  {
    ...REDIS,
    name: 'redis-auth',
    summary: 'let Redis refuse the password, on new and on open connections, then take it again',
    effect: 'auth',
    words: words(
      'Refuse the password of Redis',
      'switching the user off',
      'Redis refuses the password',
      'switching the user on again',
    ),
  },
  {
    ...REDIS,
    name: 'redis-maxclients',
    summary: 'take every connection that Redis allows; open ones are cut, new ones are refused',
    effect: 'crowd',
    words: words(
      'Take every connection of Redis',
      'taking every connection',
      'Redis refuses connections',
      'giving the connections back',
    ),
  },
  {
    ...REDIS,
    name: 'redis-full',
    summary: 'fill a cache to its memory limit with marked keys; writes must go on, no key be lost',
    effect: 'fill',
    degraded: 'either',
    outage: false,
    witnesses: [releaseCanary, callKeysOfFull, callSettings],
    words: words('Fill Redis', 'filling Redis', 'Redis is full', 'freeing Redis'),
  },
  {
    ...REDIS,
    name: 'redis-restart-data',
    summary: 'stop and start Redis; every key must be there after it, with its time to live',
    effect: 'restart',
    persistence: true,
    witnesses: [releaseCanary, callData, callKeys, callSettings],
    words: words('Restart Redis', 'stopping Redis', 'Redis is stopped', 'starting Redis again'),
  },
  {
    ...REDIS,
    name: 'redis-failover',
    summary: 'take the master of a Sentinel or Cluster away; a replica must take over',
    effect: 'failover',
    degraded: 'either',
    needsApplications: false,
    // Settings follow the roles: a master that comes back is a replica.
    witnesses: [callWriter],
    words: words(
      'Take away the master of Redis',
      'taking the master away',
      'the master is away',
      'bringing it back',
    ),
    limits: { ...REDIS.limits, maxDegrade: 30_000 },
  },
  {
    ...REDIS,
    name: 'postgres-down',
    summary: 'stop Postgres; caches and applications must go on as if nothing were',
    server: 'postgres',
    effect: 'stop',
    degraded: 'redis',
    changes: 0,
    witnesses: [releaseCanary, callDatabase, callWorkers],
    words: words(
      'Stop Postgres',
      'stopping Postgres',
      'Postgres is stopped',
      'starting Postgres again',
    ),
    // What workers were at is taken up again when the lease of their batch is over: 30 s by default.
    limits: { ...REDIS.limits, maxRecover: 90_000, deadline: 300_000 },
  },
  {
    ...REDIS,
    name: 'worker-crash',
    summary:
      'kill a worker in the middle of a split task; it must go on elsewhere, from its checkpoint',
    server: 'worker',
    effect: 'kill',
    degraded: 'redis',
    outage: false,
    changes: 0,
    needsApplications: false,
    witnesses: [releaseCanary, callCrash],
    words: words('Kill', 'kill -9', 'the worker is killed', 'starting the worker again'),
    limits: {
      ...REDIS.limits,
      hold: 1_000,
      maxDegrade: 120_000,
      maxRecover: 300_000,
      deadline: 900_000,
    },
  },
];

function words(ask: string, breaking: string, broken: string, mending: string) {
  return { ask, breaking, broken, mending };
}
