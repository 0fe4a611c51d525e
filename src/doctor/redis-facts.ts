import { cgroupLimit } from '../redis/cgroup.js';
import type { Channel, Limits } from '../redis/channel.js';
import { type Info, parseInfo } from '../redis/info.js';
import { type Reply, ReplyError } from '../redis/resp.js';
import { resolveHost } from '../redis/socket.js';
import type { Access, RedisTarget } from '../redis/target.js';
import { type Sample, sampleKeys } from './sample.js';

/** Settings that are read one by one: an ACL or a provider may hide some, and Redis 6 takes one at a time. */
const SETTINGS = [
  'bind',
  'protected-mode',
  'appendonly',
  'appendfsync',
  'save',
  'timeout',
  'tcp-keepalive',
  'slowlog-log-slower-than',
  'stop-writes-on-bgsave-error',
  'replica-read-only',
] as const;
export type Setting = (typeof SETTINGS)[number];

/** Commands that end, empty or hold a server. */
const DANGEROUS = ['FLUSHALL', 'FLUSHDB', 'KEYS', 'DEBUG', 'SHUTDOWN'] as const;

/** One line of CLIENT LIST: `id=3 addr=... idle=12 flags=N ...`. */
export type Client = Record<string, string>;

/** All that is judged of one Redis. What could not be read is undefined, and named in `refused`. */
export interface RedisFacts {
  target: RedisTarget;
  access: Access;
  roles: readonly ('cache' | 'queue')[];
  info: Info;
  config: Partial<Record<Setting, string>>;
  /** Of the user `default`: its flags and rules, as ACL GETUSER has them. Redis 6 and later. */
  defaultUser: { flags: string[]; commands: string; keys: string } | undefined;
  /** Who we are; undefined before Redis 6. */
  user: string | undefined;
  /** Of DANGEROUS, those that this user may run. */
  open: string[];
  clients: Client[];
  /** Addresses behind the configured host, and the one of the server's own that answered. */
  addresses: string[];
  cgroup: number | undefined;
  sample: Sample | undefined;
  refused: { command: string; reason: string }[];
}

/** Listing holds the server for as long as it has clients to list. */
const MOST_LISTED_CLIENTS = 5_000;

/** Reads only; everything may be refused on its own. */
export async function readFacts(
  channel: Channel,
  target: RedisTarget,
  access: Access,
  { roles, prefixes }: { roles: RedisFacts['roles']; prefixes: readonly string[] },
  limits: Limits,
): Promise<RedisFacts> {
  const refused: RedisFacts['refused'] = [];
  const take = <T>(command: string, reply: Reply | undefined, read: (reply: Reply) => T) => {
    if (reply === undefined) return undefined;
    if (!(reply instanceof ReplyError)) return read(reply);
    // A command that this version does not have is no right that is missing.
    if (!/unknown (sub)?command/i.test(reply.message))
      refused.push({ command, reason: reply.message });
    return undefined;
  };
  const asked = [
    ['INFO'],
    ['ACL', 'GETUSER', 'default'],
    ['ACL', 'WHOAMI'],
    ['COMMAND', 'INFO', ...DANGEROUS],
    ['CLIENT', 'INFO'],
    ...SETTINGS.map((name) => ['CONFIG', 'GET', name]),
  ];
  const [info, acl, whoami, commands, self, ...settings] = await channel.pipeline(asked);
  const fields = take('INFO', info, (reply) => parseInfo(String(reply))) ?? {};
  const user = take('ACL WHOAMI', whoami, String);
  const config: RedisFacts['config'] = {};
  for (const [index, name] of SETTINGS.entries()) {
    const pair = take('CONFIG GET', settings[index], (reply) =>
      Array.isArray(reply) ? reply : [],
    );
    if (pair?.[1] !== undefined) config[name] = String(pair[1]);
  }
  const few = Number(fields.connected_clients ?? 0) <= MOST_LISTED_CLIENTS;
  const list = few ? await channel.send('CLIENT', 'LIST') : undefined;
  return {
    target,
    access,
    roles,
    info: fields,
    config,
    defaultUser: take('ACL GETUSER', acl, userOf),
    user,
    open: await openCommands(channel, user, commands),
    clients: take('CLIENT LIST', list, clientsOf) ?? [],
    addresses: await addressesOf(access, self),
    cgroup: cgroupLimit(access.endpoint, fields),
    sample: fields.role === 'master' ? await sampleKeys(channel, prefixes, limits) : undefined,
    refused: [...new Map(refused.map((entry) => [entry.command, entry])).values()],
  };
}

function userOf(reply: Reply): NonNullable<RedisFacts['defaultUser']> {
  const list = Array.isArray(reply) ? reply : [];
  const field = (name: string) => list[list.indexOf(name) + 1] ?? null;
  const flags = field('flags');
  const keys = field('keys');
  return {
    flags: Array.isArray(flags) ? flags.map(String) : [],
    commands: String(field('commands')),
    // A list of patterns before Redis 7, one text since.
    keys: Array.isArray(keys) ? keys.map((key) => `~${key}`).join(' ') : String(keys),
  };
}

/**
 * Which of the dangerous commands this user could run. A renamed one is unknown to COMMAND INFO; since
 * Redis 7 ACL DRYRUN says what the rules come to without running anything.
 */
async function openCommands(
  channel: Channel,
  user: string | undefined,
  known: Reply | undefined,
): Promise<string[]> {
  const there = DANGEROUS.filter((_, index) => Array.isArray(known) && Array.isArray(known[index]));
  if (user === undefined) return there;
  const arity: Record<string, string[]> = { KEYS: ['*'], DEBUG: ['HELP'] };
  const tried = await channel.pipeline(
    there.map((name) => ['ACL', 'DRYRUN', user, name, ...(arity[name] ?? [])]),
  );
  return there.filter((_, index) => tried[index] === 'OK');
}

function clientsOf(reply: Reply): Client[] {
  return String(reply)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) =>
      Object.fromEntries(
        line.split(' ').map((pair) => {
          const at = pair.indexOf('=');
          return [pair.slice(0, at), pair.slice(at + 1)];
        }),
      ),
    );
}

async function addressesOf({ endpoint }: Access, self: Reply | undefined): Promise<string[]> {
  if ('path' in endpoint) return [];
  const [client] = typeof self === 'string' ? clientsOf(self) : [];
  const own = client?.laddr?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  const resolved = await resolveHost(endpoint.host).catch(() => []);
  return [...new Set([...resolved.map(({ address }) => address), ...(own ? [own] : [])])];
}
