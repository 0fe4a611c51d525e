import type { Socket } from 'node:net';
import { CacheOpsError, messageOf } from '../../errors.js';
import { type Channel, type Limits, openChannel } from '../channel.js';
import type { KeySink } from '../key-fact.js';
import { ReplyError } from '../resp.js';
import { TimeoutError } from '../socket.js';
import { type Access, label } from '../target.js';
import { Payload, parseLength } from './payload.js';
import { type RdbEnd, type RdbHooks, readRdb } from './read.js';

/** Redis's own repl-timeout. It sends a newline every ten seconds while it prepares the data set. */
const SILENCE = 60_000;

/**
 * Takes a server's data set over the wire, as a new replica would, and hands every key to the sink. The
 * server forks, as for BGSAVE. With `repl-diskless-sync yes`, the default since Redis 7, no file is made,
 * and it waits `repl-diskless-sync-delay` (5 s) for other replicas; with `no` it writes its RDB file
 * (`dbfilename`) anew. Afterwards the connection is closed and the server has no replica more than
 * before. A master that had none keeps what the first one makes: a new replication ID, and for an hour
 * (`repl-backlog-ttl`) a backlog (`repl-backlog-size`, 1 MB).
 *
 * `limits.timeout` is for opening the connection and each answer. Throws StageError when it cannot be
 * opened, CacheOpsError `refused` when the server does not replicate to this user and `unavailable` when
 * it cannot now. Where the connection breaks amid the data set, that is the result's `problem`.
 */
export async function readFromServer(
  access: Access,
  limits: Limits,
  sink: KeySink,
  hooks: Omit<RdbHooks, 'total' | 'signal'> = {},
): Promise<RdbEnd> {
  const { signal } = limits;
  const { db: _, ...connection } = access;
  const channel = await openChannel(connection, limits);
  const socket = await announce(channel, access).catch((error: unknown) => {
    channel.close();
    throw error;
  });
  const abort = () => socket.destroy();
  signal?.addEventListener('abort', abort, { once: true });
  socket.setTimeout(SILENCE, () => socket.destroy(new TimeoutError(SILENCE)));
  try {
    const payload = new Payload(socket);
    const bytes = await begin(payload, socket, access).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
    return await readRdb(payload.data(bytes), sink, {
      ...hooks,
      ...(signal && { signal }),
      ...(Number.isFinite(bytes) && { total: bytes }),
    });
  } finally {
    signal?.removeEventListener('abort', abort);
    channel.close();
  }
}

/** Whether the server writes its RDB file anew for a replica; undefined where it does not say. */
export async function writesFile(access: Access, limits: Limits): Promise<boolean | undefined> {
  const { db: _, ...connection } = access;
  const channel = await openChannel(connection, limits);
  try {
    const reply = await channel.send('CONFIG', 'GET', 'repl-diskless-sync');
    return Array.isArray(reply) && reply.length === 2 ? reply[1] === 'no' : undefined;
  } finally {
    channel.close();
  }
}

/** Says what this replica can do: take a data set that ends with a mark, and wants nothing after it. */
async function announce(channel: Channel, access: Access): Promise<Socket> {
  const [capable] = await channel.pipeline([
    ['REPLCONF', 'capa', 'eof'],
    // Since Redis 7: the server need not keep the writes meanwhile. Older ones refuse the word.
    ['REPLCONF', 'rdb-only', '1'],
  ]);
  if (capable instanceof ReplyError && /^NOPERM|unknown command/i.test(capable.message))
    throw refusal(access, capable.message);
  return channel.release();
}

/** Asks for the data set and waits until it begins; returns its length. PSYNC came with Redis 2.8. */
async function begin(payload: Payload, socket: Socket, access: Access): Promise<number> {
  try {
    socket.write('PSYNC ? -1\r\n');
    for (;;) {
      const line = await payload.line();
      const bytes = parseLength(line);
      if (bytes !== undefined) return bytes;
      if (!line.startsWith('+FULLRESYNC')) throw new ReplyError(line.replace(/^-/, ''));
    }
  } catch (error) {
    if (error instanceof ReplyError) throw refusal(access, error.message);
    throw new CacheOpsError(
      'unavailable',
      `${label(access.endpoint)} began to replicate and sent no data set: ${messageOf(error)}`,
      "its log says why: most often it could not fork, or write its RDB file ('repl-diskless-sync yes' needs none)",
    );
  }
}

/** Why a server does not replicate, in its words, and what can be done instead. */
function refusal({ endpoint, username = 'default' }: Access, message: string): CacheOpsError {
  const where = label(endpoint);
  if (/^(LOADING|NOMASTERLINK|MASTERDOWN)/.test(message))
    return new CacheOpsError('unavailable', `${where} cannot replicate now: ${message}`);
  const hint = message.startsWith('NOPERM')
    ? `ACL SETUSER ${username} +psync +replconf, or read an RDB file, or scan the keys`
    : 'managed services do not replicate to strangers: read a backup as an RDB file, or scan the keys';
  return new CacheOpsError('refused', `${where} does not replicate to us: ${message}`, hint);
}
