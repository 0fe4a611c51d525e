import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { messageOf } from '../errors.js';
import type { Limits } from './channel.js';
import type { Access, RedisTarget } from './target.js';

export type RedisClient = Redis | Cluster;

/**
 * Opens a client that follows the master (Sentinel) or the slots (Cluster), runs `work`, and
 * closes it. Commands fail within `timeout` ms rather than wait for a server that may come back.
 */
export async function withRedis<T>(
  target: RedisTarget,
  limits: Limits,
  work: (client: RedisClient) => Promise<T>,
): Promise<T> {
  const client = createClient(target, limits.timeout);
  let socketError: Error | undefined;
  client.on('error', (error: Error) => {
    socketError = error;
  });
  const abort = () => client.disconnect();
  limits.signal?.addEventListener('abort', abort, { once: true });
  try {
    await client.connect().catch((error: unknown) => {
      // ioredis masks the first failure as "Connection is closed.": the socket's own error says more.
      throw new Error(`${target.name}: ${messageOf(socketError ?? error)}`);
    });
    // ioredis itself overlooks a refused SELECT, and would go on in database 0.
    const { db } = target.nodeAccess;
    if (db && client instanceof Redis) await client.select(db);
    return await work(client);
  } finally {
    limits.signal?.removeEventListener('abort', abort);
    client.disconnect();
  }
}

function createClient(
  { kind, config, seeds, nodeAccess }: RedisTarget,
  timeout: number,
): RedisClient {
  const options = {
    ...connection(nodeAccess),
    lazyConnect: true,
    connectTimeout: timeout,
    commandTimeout: timeout,
    // Without this the process lives 2 s past disconnect() after a failed connect.
    disconnectTimeout: 50,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // RESP2: the same replies from Redis 4 on.
    protocol: 2,
  } satisfies RedisOptions;
  const endpoints = seeds.map((seed) => seed.endpoint);
  const [first] = seeds;
  if (kind === 'node' && first)
    return new Redis({
      ...options,
      ...('path' in first.endpoint ? { path: first.endpoint.path } : first.endpoint),
    });
  const nodes = endpoints.flatMap((endpoint) => ('path' in endpoint ? [] : [endpoint]));
  if (kind === 'sentinel') {
    return new Redis({
      ...options,
      sentinels: nodes,
      name: config.sentinel?.name ?? '',
      role: config.replica ? 'slave' : 'master',
      ...(config.sentinel?.username && { sentinelUsername: config.sentinel.username }),
      ...(config.sentinel?.password && { sentinelPassword: config.sentinel.password }),
      ...(nodeAccess.tls && { sentinelTLS: nodeAccess.tls, enableTLSForSentinelMode: true }),
      sentinelRetryStrategy: () => null,
    });
  }
  return new Cluster(nodes, {
    lazyConnect: true,
    slotsRefreshTimeout: timeout,
    clusterRetryStrategy: () => null,
    redisOptions: options,
  });
}

function connection({ tls, username, password, db }: Omit<Access, 'endpoint'>) {
  return {
    ...(tls && { tls }),
    ...(username && { username }),
    ...(password !== undefined && { password }),
    ...(db && { db }),
  };
}
