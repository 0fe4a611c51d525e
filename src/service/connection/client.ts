import { Redis, type RedisOptions } from 'ioredis';

/** Where Redis is. The password is part of it: never print one of these. */
export interface RedisAddress {
  host: string;
  port: number;
  db: number;
  username?: string;
  password?: string;
  tls?: boolean;
}

/** Longest pause between two attempts to connect, in milliseconds. */
const RECONNECT_MS = 150;
/** The same after a refused password: five refusals a second would fill Redis' ACL log. */
const RECONNECT_AUTH_MS = 500;

/**
 * A client that never makes a caller wait for a Redis that is away. ioredis' defaults are made for
 * the opposite: it queues commands while offline, repeats them 20 times, and stretches its pauses.
 */
export function createClient(address: RedisAddress): Redis {
  const { tls, ...where } = address;
  let refused = false;
  const options = {
    ...where,
    ...(tls && { tls: { servername: address.host } }),
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // The link asks Redis itself whether it is ready; the built-in check waits up to 10 s more.
    enableReadyCheck: false,
    connectTimeout: 1_000,
    // A connection whose peer vanished is replaced: TCP alone would retry for minutes.
    socketTimeout: 2_000,
    // After a failed attempt the default keeps the process alive for 2 s more.
    disconnectTimeout: 50,
    retryStrategy: (attempt: number) =>
      refused ? RECONNECT_AUTH_MS : Math.min(20 * attempt, RECONNECT_MS),
  } satisfies RedisOptions;
  const client = new Redis(options);
  client.on('ready', () => {
    refused = false;
  });
  // Without a listener ioredis prints to the console and an 'error' event could end the process.
  client.on('error', (error) => {
    refused = /^(WRONGPASS|NOAUTH|ERR (invalid password|AUTH))/.test(error.message);
  });
  return client;
}

/**
 * One word for what went wrong, safe to show: a system code (`ECONNREFUSED`), the first word of an
 * error reply (`WRONGPASS`, `LOADING`), `timeout` or `closed`. Messages may carry keys and users.
 */
export function failureClass(error: unknown): string {
  if (error instanceof AggregateError) return failureClass(error.errors[0]);
  if (!(error instanceof Error)) return 'unknown';
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') return code;
  if (error.name === 'DeadlineError' || error.message.startsWith('Socket timeout'))
    return 'timeout';
  if (error.name === 'ReplyError') return /^[A-Z]+/.exec(error.message)?.[0] ?? 'ERR';
  return 'closed';
}
