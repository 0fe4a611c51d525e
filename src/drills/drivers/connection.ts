import { networkInterfaces } from 'node:os';
import { CacheOpsError, messageOf } from '../../errors.js';
import { findQueues } from '../../queues/bullmq/discover.js';
import { type Channel, demand, openChannel } from '../../redis/channel.js';
import { databasesIn, numberIn } from '../../redis/info.js';
import { programOf } from '../../state/identity.js';
import { readUser } from '../faults/acl.js';
import type { Move, Way } from '../faults/fault.js';
import { PAUSE_LIMIT } from '../faults/hang.js';
import { signsIn } from '../faults/liveness.js';
import type { Driver, Subject } from './driver.js';
import { refused } from './rehearse.js';

/** Nothing but a connection to Redis that may change its settings. */
export const connectionDriver: Driver = {
  name: 'connection',
  stop: async (subject) => ({ kind: 'port', move: await planMove(subject) }),
  async hang({ limits }) {
    const ms = limits.maxDegrade + limits.hold;
    demandShort(ms, 'lower --max-degrade or --hold; CLIENT PAUSE cannot be ended early');
    return { kind: 'pause', ms };
  },
  async latency(subject) {
    const { delay = 0, jitter = 0 } = subject.params;
    if (await isHere(subject)) return proxy(subject, { delay, jitter });
    demandShort(delay, 'lower --delay: it is done by CLIENT PAUSE, which cannot be ended early');
    return { kind: 'stutter', ms: delay };
  },
  async reset(subject) {
    if (await isHere(subject)) return proxy(subject, { reset: true });
    return { kind: 'sever', every: 20 };
  },
  async blackhole(subject) {
    if (await isHere(subject)) return proxy(subject, { blackhole: true });
    const { limits } = subject;
    const ms = limits.maxDegrade + limits.hold;
    demandShort(ms, 'lower --max-degrade or --hold; CLIENT PAUSE cannot be ended early');
    return { kind: 'pause', ms };
  },
  auth: (subject) => withRights(subject, 'ACL', (channel) => planAcl(subject, channel)),
  crowd: (subject) => withRights(subject, 'CONFIG or CLIENT', planCrowd),
  fill: (subject) => withRights(subject, 'CONFIG', (channel) => planFill(subject, channel)),
};

function demandShort(ms: number, hint: string): void {
  if (ms <= PAUSE_LIMIT) return;
  throw refused(
    `over the connection alone Redis hangs for ${PAUSE_LIMIT / 1_000} s at most, and this would take ${ms / 1_000} s`,
    hint,
  );
}

/** Finds the port that Redis goes to, and that it may be told to: the same value is set again. */
function planMove(subject: Subject): Promise<Move> {
  const { endpoint, tls, access } = subject;
  if (!('host' in endpoint))
    throw refused('a unix socket has no port to move', 'give it another control, such as process');
  const setting = tls ? 'tls-port' : 'port';
  return withRights(subject, 'CONFIG', async (channel) => {
    const port = Number((await getSettings(channel, [setting]))[setting]);
    if (port !== endpoint.port)
      throw refused(
        `it listens on ${port}, and is reached on ${endpoint.port}: a port map stands between`,
        'give it another control, such as docker',
      );
    demand(await channel.send('CONFIG', 'SET', setting, port));
    const other = (at: number) => ({ ...access, endpoint: { ...endpoint, port: at } });
    for (;;) {
      // Below the ports that the system hands out by itself.
      const rescue = 20_000 + Math.floor(Math.random() * 10_000);
      if (!(await signsIn(other(rescue), 200))) return { setting, port, rescue };
    }
  });
}

async function proxy(
  subject: Subject,
  toxic: Extract<Way, { kind: 'proxy' }>['toxic'],
): Promise<Way> {
  const hosts = await withRights(subject, 'CONFIG', async (channel) =>
    ((await getSettings(channel, ['bind'])).bind ?? '').split(' ').map(toListen),
  );
  return { kind: 'proxy', move: await planMove(subject), hosts, toxic };
}

/** An address of `bind` in redis.conf: `-` before it means that it need not exist, `*` is any. */
function toListen(address: string): string {
  const bare = address.replace(/^-/, '');
  if (bare === '*' || bare === '') return '0.0.0.0';
  return bare === '::*' ? '::' : bare;
}

/** Whether Redis is a process of this machine, so that a proxy can stand in its place. */
async function isHere({ endpoint, info }: Subject): Promise<boolean> {
  if (!('host' in endpoint)) return false;
  const own = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address),
  );
  const pid = numberIn(info, 'process_id');
  const isOwn = endpoint.host === 'localhost' || own.includes(endpoint.host);
  return isOwn && pid !== null && /redis|valkey|keydb/i.test(programOf(pid) ?? '');
}

async function planAcl({ access, prefix }: Subject, channel: Channel): Promise<Way> {
  const user = access.username ?? 'default';
  await readUser(channel, user);
  // As before, but written: the rehearsal of what brings it back.
  demand(await channel.send('ACL', 'SETUSER', user, 'on'));
  return { kind: 'acl', user, rescue: `cache-ops-${prefix.split('-').at(-1)}` };
}

/** Beside those for all who are there, should they come back with more than they had. */
const SPARE = 16;
const MOST_PLACES = 1_000;

async function planCrowd(channel: Channel): Promise<Way> {
  const list = String(demand(await channel.send('CLIENT', 'LIST')));
  const { maxclients: before = '' } = await getSettings(channel, ['maxclients']);
  const there = list.trim().split('\n').length;
  const places = 2 * there + SPARE;
  if (places > MOST_PLACES)
    throw refused(
      `it has ${there} clients, and the drill would need ${places} connections: more than ${MOST_PLACES}`,
      'run it on a smaller estate',
    );
  if (there + places > Number(before))
    throw refused(
      `it has ${there} clients of ${before} at most: no room for ${places} connections of the drill's own`,
      'raise maxclients first',
    );
  demand(await channel.send('CONFIG', 'SET', 'maxclients', before));
  // Nobody has this id: a rehearsal of the right to do it.
  demand(await channel.send('CLIENT', 'KILL', 'ID', Number.MAX_SAFE_INTEGER));
  return { kind: 'crowd', places, before };
}

const MEMORY = ['maxmemory', 'maxmemory-policy', 'maxmemory-samples'] as const;
const ROOM = 8 * 1024 ** 2;
/** Of four keys with a time to live one is the drill's: a sample of 64 without one comes once in 10^8. */
const SHARE = 1 / 3;
const [FEWEST, MOST] = [256, 100_000];
/** With fewer, an application's key would sooner or later be the first of its sample. */
const LEAST_SHARE = 1 / 15;

async function planFill({ prefix, info }: Subject, channel: Channel): Promise<Way> {
  for await (const { scope, queue } of findQueues(channel, [])) {
    throw refused(
      `it holds the queue ${scope}:${queue}: BullMQ needs noeviction, and a full Redis then refuses its writes`,
      'this drill is for a Redis that is a cache only',
    );
  }
  const expiring = databasesIn(info).reduce((sum, { expires }) => sum + expires, 0);
  const pieces = Math.min(MOST, Math.max(FEWEST, Math.ceil(expiring * SHARE)));
  if (pieces < expiring * LEAST_SHARE)
    throw refused(
      `it has ${expiring} keys with a time to live: too many to be sure that none of them is evicted`,
      'run it on a smaller cache, such as that of a test estate',
    );
  const before = (await getSettings(channel, MEMORY)) as Record<(typeof MEMORY)[number], string>;
  if (before['maxmemory-policy'] === 'noeviction')
    throw refused(
      'its policy is noeviction: full, it evicts nothing and refuses writes, which this drill does not rehearse',
      'a cache has a policy such as allkeys-lru: see cache-ops doctor',
    );
  if (before.maxmemory === '0')
    throw refused(
      'it has no memory limit: it is never full, and grows until the system ends it',
      'set maxmemory: see cache-ops doctor',
    );
  for (const name of MEMORY) demand(await channel.send('CONFIG', 'SET', name, before[name]));
  return {
    kind: 'fill',
    prefix: `${prefix}:fill`,
    room: Math.max(ROOM, pieces * 256),
    pieces,
    before,
  };
}

async function getSettings(
  channel: Channel,
  names: readonly string[],
): Promise<Record<string, string>> {
  const replies = await channel.pipeline(names.map((name) => ['CONFIG', 'GET', name]));
  return Object.fromEntries(
    replies.map((reply) => {
      const pair = demand(reply);
      return Array.isArray(pair) ? [String(pair[0]), String(pair[1])] : ['', ''];
    }),
  );
}

/** A managed Redis refuses these commands: then nothing is broken that could not be restored. */
async function withRights<T>(
  { access }: Subject,
  command: string,
  work: (channel: Channel) => Promise<T>,
): Promise<T> {
  const channel = await openChannel(access, { timeout: 5_000 });
  try {
    return await work(channel);
  } catch (error) {
    if (error instanceof CacheOpsError) throw error;
    throw refused(
      `${command} is refused to this user: ${messageOf(error)}`,
      'the drill could not restore what it breaks; a managed Redis needs another way',
    );
  } finally {
    channel.close();
  }
}
