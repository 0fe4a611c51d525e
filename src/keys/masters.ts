import { CacheOpsError } from '../errors.js';
import { explain } from '../redis/advice/explain.js';
import {
  type Channel,
  ClosedError,
  type Limits,
  openChannel,
  TimeoutError,
} from '../redis/channel.js';
import { parseInfo } from '../redis/info.js';
import { type Reply, ReplyError } from '../redis/resp.js';
import type { PaceOptions } from '../redis/scan/types.js';
import { type Access, label, parseHostPort, type RedisTarget } from '../redis/target.js';
import { DiscoveryError, findNodes } from '../redis/topology.js';

/** A Redis that keys are read from and written to. */
export interface Master {
  address: string;
  access: Access;
  /** Speaks bytes: keys and values are latin1 strings. */
  channel: Channel;
}

export type KeyCommand = readonly (string | number)[];

/** The masters of a target while a command runs. */
export interface Masters {
  target: string;
  db: number;
  cluster: boolean;
  /** Milliseconds to open a connection and to wait for an answer. */
  timeout: number;
  /** How gently keys are looked for. */
  pace: Partial<PaceOptions>;
  nodes: readonly [Master, ...Master[]];
  /** Sends commands on a key each and returns their replies in order; a key that is elsewhere is followed there. */
  ask(node: Master, commands: readonly KeyCommand[]): Promise<Reply[]>;
  /** The master that a key belongs to. */
  owner(key: string): Promise<Master>;
}

interface Options extends Limits {
  /** Another database than the target's own. */
  db?: number | undefined;
  pace?: Partial<PaceOptions>;
}

/**
 * Opens every master of a target, runs `work`, and closes them. A single node is taken whatever its
 * role is. Throws `connect` when one of them cannot be reached: half of the keys are no answer.
 */
export async function withMasters<T>(
  target: RedisTarget,
  { db, pace = {}, ...limits }: Options,
  work: (masters: Masters) => Promise<T>,
): Promise<T> {
  if (target.kind === 'cluster' && db) {
    throw new CacheOpsError('usage', `${target.name} is a cluster: it has database 0 only`);
  }
  const opened = new Map<string, Promise<Master>>();
  const open = (access: Access): Promise<Master> => {
    const address = label(access.endpoint);
    const known = opened.get(address) ?? openMaster(target, { ...access, ...inDb(db) }, limits);
    opened.set(address, known);
    return known;
  };
  try {
    const found = await masterAccesses(target, limits);
    const nodes = (await Promise.all(found.map(open))) as [Master, ...Master[]];
    const openAt = (endpoint: HostPort) => open({ ...target.nodeAccess, endpoint });
    return await work({
      target: target.name,
      db: db ?? target.nodeAccess.db ?? 0,
      cluster: target.kind === 'cluster',
      timeout: limits.timeout,
      pace,
      nodes,
      ask: (node, commands) => ask(node, commands, openAt),
      async owner(key) {
        const [first] = nodes;
        const reply = await first.channel.send('EXISTS', key);
        const moved = redirection(first, reply);
        return moved?.kind === 'MOVED' ? openAt(moved.endpoint) : first;
      },
    });
  } catch (error) {
    limits.signal?.throwIfAborted();
    const lost = error instanceof ClosedError || error instanceof TimeoutError;
    throw lost ? new CacheOpsError('connect', `${target.name}: ${error.message}`) : error;
  } finally {
    for (const master of opened.values()) {
      void master.then(({ channel }) => channel.close()).catch(() => {});
    }
  }
}

const inDb = (db: number | undefined) => (db === undefined ? {} : { db });

async function masterAccesses(target: RedisTarget, limits: Limits): Promise<Access[]> {
  if (target.kind === 'node') return target.seeds;
  try {
    const nodes = await findNodes(target, limits);
    const masters = nodes.flatMap(({ access, role }) => (role === 'master' ? access : []));
    if (masters.length > 0) return masters;
    throw new CacheOpsError('connect', `${target.name}: no master is known`);
  } catch (error) {
    if (!(error instanceof DiscoveryError)) throw error;
    const [first] = error.failures;
    throw first ? unreachable(target, first.error, first.access) : error;
  }
}

async function openMaster(target: RedisTarget, access: Access, limits: Limits): Promise<Master> {
  try {
    const channel = await openChannel(access, limits);
    channel.speakBytes();
    const [, cluster] = await channel.pipeline([
      // Looking at a value must not make it look used. Before Redis 7.2 it is an error, and nothing is lost.
      ['CLIENT', 'NO-TOUCH', 'ON'],
      // An error where clustering is off.
      ['CLUSTER', 'INFO'],
    ]);
    if (target.kind === 'node' && typeof cluster === 'string') demandAlone(target, cluster);
    return { address: label(access.endpoint), access, channel };
  } catch (error) {
    limits.signal?.throwIfAborted();
    throw error instanceof CacheOpsError ? error : unreachable(target, error, access);
  }
}

/** One node of a cluster has some of its keys: an answer from it alone would be taken for the whole. */
function demandAlone({ name }: RedisTarget, cluster: string): void {
  if (Number(parseInfo(cluster).cluster_size) < 2) return;
  throw new CacheOpsError(
    'config',
    `${name} is one node of a cluster: the others have other keys`,
    'configure it as a cluster: { cluster: ["host:port"] }',
  );
}

function unreachable({ name, config }: RedisTarget, error: unknown, access: Access): CacheOpsError {
  const known = name !== label(access.endpoint);
  return new CacheOpsError(
    'connect',
    `${known ? `${name}: ` : ''}${explain(error, access).reason}`,
    config.url === undefined || known ? `cache-ops ping ${name}` : undefined,
  );
}

interface HostPort {
  host: string;
  port: number;
}

/** MOVED says who has the slot now, ASK who has this key of a slot that is on its way. */
const REDIRECTION = /^(MOVED|ASK) \d+ (\S*:\d+)/;

function redirection({ access }: Master, reply: Reply) {
  const [, kind, address] = (reply instanceof ReplyError && REDIRECTION.exec(reply.message)) || [];
  if (!address) return undefined;
  const { host, port } = parseHostPort(address);
  // Without a host it is the one that was asked.
  const asked = 'host' in access.endpoint ? access.endpoint.host : '';
  return { kind, address, endpoint: { host: host || asked, port } };
}

/** A key of a slot that moves: its new master sends back to the old one, which says ASK there. */
const MOST_HOPS = 3;

async function ask(
  node: Master,
  commands: readonly KeyCommand[],
  open: (endpoint: HostPort) => Promise<Master>,
  hops = MOST_HOPS,
): Promise<Reply[]> {
  const replies = await node.channel.pipeline(commands);
  const elsewhere = new Map<string, Elsewhere>();
  for (const [index, reply] of replies.entries()) {
    const found = redirection(node, reply);
    if (!found) continue;
    const known = elsewhere.get(`${found.kind} ${found.address}`) ?? { ...found, places: [] };
    elsewhere.set(`${found.kind} ${found.address}`, known);
    known.places.push(index);
  }
  if (hops === 0) return replies;
  for (const { kind, endpoint, places } of elsewhere.values()) {
    const owner = await open(endpoint);
    const own = places.map((index) => commands[index] as KeyCommand);
    const answers =
      kind === 'ASK' ? await asking(owner, own) : await ask(owner, own, open, hops - 1);
    for (const [at, index] of places.entries()) replies[index] = answers[at] ?? null;
  }
  return replies;
}

interface Elsewhere {
  kind: string | undefined;
  endpoint: HostPort;
  /** The places of the commands that belong there. */
  places: number[];
}

/** ASKING holds for one command. */
async function asking({ channel }: Master, commands: readonly KeyCommand[]): Promise<Reply[]> {
  const replies = await channel.pipeline(commands.flatMap((command) => [['ASKING'], command]));
  return replies.filter((_, index) => index % 2 === 1);
}
