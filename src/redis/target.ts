import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { Config } from '../config/load.js';
import { nearest } from '../config/nearest.js';
import type { RedisConfig, TlsConfig } from '../config/schema.js';
import { CacheOpsError, codeOf } from '../errors.js';

/** Where one Redis listens: host and port, or the path of a unix socket. */
export type Endpoint = { host: string; port: number } | { path: string };

/** All that is needed to open one connection. Holds secrets: never print it, print `label`. */
export interface Access {
  endpoint: Endpoint;
  tls?: ConnectionOptions;
  username?: string;
  password?: string;
  db?: number;
}

/** A Redis of the configuration by its name. */
export interface RedisTarget {
  name: string;
  config: RedisConfig;
  kind: 'node' | 'sentinel' | 'cluster';
  /** The node itself, the sentinels, or the seeds of the cluster; `access` of each. */
  seeds: Access[];
  /** What a node found through the seeds is opened with, less its endpoint. */
  nodeAccess: Omit<Access, 'endpoint'>;
}

/** `host:port` or the socket's path; never a secret. */
export function label(endpoint: Endpoint): string {
  if ('path' in endpoint) return endpoint.path;
  return endpoint.host.includes(':')
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}

/** The endpoints of a target for messages, without secrets. */
export function describe({ kind, seeds, config }: RedisTarget): string {
  const where = seeds.map(({ endpoint }) => label(endpoint)).join(', ');
  return kind === 'node'
    ? where
    : kind === 'sentinel'
      ? `${config.sentinel?.name} by sentinels ${where}`
      : `cluster ${where}`;
}

/** The named targets, all of them for an empty list; a redis:// URL is a target of its own. */
export function selectRedis(config: Config, names: readonly string[]): RedisTarget[] {
  if (names.length === 0 && Object.keys(config.redis).length === 0) {
    throw new CacheOpsError(
      'config',
      'no Redis is configured',
      'set REDIS_URL, or write a cache-ops.yaml: cache-ops config init',
    );
  }
  const chosen = names.length > 0 ? names : Object.keys(config.redis);
  return chosen.map((name) => redisTarget(config, name));
}

export function redisTarget(config: Config, name: string): RedisTarget {
  const found = Object.hasOwn(config.redis, name) ? config.redis[name] : undefined;
  if (found) return toTarget(name, found);
  if (/^(rediss?|unix):\/\//.test(name)) return adHoc(name);
  // A mistyped URL may hold a password: it is not repeated.
  if (/[:/@]/.test(name)) throw notUrl();
  throw new CacheOpsError(
    'not_found',
    `no Redis is named "${name}"`,
    nearest(name, Object.keys(config.redis)),
  );
}

function adHoc(url: string): RedisTarget {
  if (!URL.canParse(url)) throw notUrl();
  const access = accessOf({ url, replica: false, roles: ['cache'] });
  return toTarget(label(access.endpoint), { url, replica: false, roles: ['cache'] });
}

const notUrl = () =>
  new CacheOpsError(
    'usage',
    'that is neither the name of a Redis nor a Redis URL',
    'write it as redis://host:port, rediss:// or unix:///path; percent-encode what is special in a password',
  );

function toTarget(name: string, config: RedisConfig): RedisTarget {
  if (config.sentinel) {
    const { nodes, username, password } = config.sentinel;
    const credentials = { ...(username && { username }), ...(password && { password }) };
    return {
      name,
      config,
      kind: 'sentinel',
      seeds: nodes.map((node) => ({
        endpoint: parseHostPort(node),
        ...tlsOf(config),
        ...credentials,
      })),
      nodeAccess: nodeAccess(config),
    };
  }
  if (config.cluster) {
    const access = nodeAccess(config);
    return {
      name,
      config,
      kind: 'cluster',
      seeds: config.cluster.map((node) => ({ ...access, endpoint: parseHostPort(node) })),
      nodeAccess: access,
    };
  }
  const { endpoint, ...rest } = accessOf(config);
  return { name, config, kind: 'node', seeds: [{ endpoint, ...rest }], nodeAccess: rest };
}

/** Flags beside the URL win over what stands in the URL. */
function accessOf(config: RedisConfig): Access {
  const url = new URL(config.url ?? '');
  const username = config.username ?? decoded(url.username);
  const password = config.password ?? decoded(url.password);
  const path = url.protocol === 'unix:' ? url.searchParams.get('db') : url.pathname.slice(1);
  const db = config.db ?? Number(path || 0);
  if (!Number.isInteger(db))
    throw new CacheOpsError(
      'config',
      'what follows the host in the Redis URL is not a database number',
      'redis://host:6379/0; percent-encode what is special in a password',
    );
  const endpoint: Endpoint =
    url.protocol === 'unix:'
      ? { path: decoded(url.pathname) }
      : {
          host: url.hostname.replace(/^\[(.*)\]$/, '$1') || 'localhost',
          port: Number(url.port || 6379),
        };
  return {
    endpoint,
    ...tlsOf(config, url.protocol === 'rediss:'),
    ...(username && { username }),
    ...(password && { password }),
    ...(db > 0 && { db }),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new CacheOpsError(
      'config',
      'a Redis URL has a "%" that is not followed by two hexadecimal digits',
      'write a "%" in a password as %25',
    );
  }
}

function nodeAccess(config: RedisConfig): Omit<Access, 'endpoint'> {
  return {
    ...tlsOf(config),
    ...(config.username && { username: config.username }),
    ...(config.password && { password: config.password }),
    ...(config.db && { db: config.db }),
  };
}

function tlsOf({ tls }: RedisConfig, asked = false): { tls?: ConnectionOptions } {
  if (tls === undefined || tls === false) return asked ? { tls: {} } : {};
  return { tls: tls === true ? {} : tlsOptions(tls) };
}

function tlsOptions({ ca, cert, key, servername, verify }: TlsConfig): ConnectionOptions {
  return {
    ...(ca && { ca: pem(ca) }),
    ...(cert && { cert: pem(cert) }),
    ...(key && { key: pem(key) }),
    ...(servername && { servername }),
    rejectUnauthorized: verify,
  };
}

function pem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CacheOpsError(
      'config',
      `cannot read the certificate file ${file} (${codeOf(error)})`,
    );
  }
}

export function parseHostPort(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) };
}
