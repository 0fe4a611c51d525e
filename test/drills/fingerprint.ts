import { Redis } from 'ioredis';
import pg from 'pg';

/** Every key that `seed` wrote with what it holds and when it ends, and what a drill has left for good. */
const KEYS = `
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if string.find(key, 'mine') then
    local dump = redis.sha1hex(redis.call('DUMP', key))
    found[#found + 1] = key .. ' ' .. dump .. ' ' .. redis.call('PEXPIRETIME', key)
  elseif string.find(key, 'drill') and redis.call('TTL', key) == -1 then
    found[#found + 1] = 'left: ' .. key
  end
end
table.sort(found)
return found`;

export interface Place {
  port: number;
  password?: string | undefined;
  /** Longest wait for an answer, in ms. */
  timeout?: number;
  /** Settings that may be another. */
  except?: RegExp;
}

/** Every setting, every user and every key of a Redis, to see that all is as before; the failure when there is no answer. */
export async function fingerprintOf({
  port,
  password,
  timeout = 5_000,
  except,
}: Place): Promise<string> {
  const client = new Redis(port, '127.0.0.1', {
    ...(password !== undefined && { password }),
    lazyConnect: true,
    retryStrategy: () => null,
    disconnectTimeout: 50,
    // The ready check waits a whole second for a server that is loading.
    enableReadyCheck: false,
    commandTimeout: timeout,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const settings = pairs(await client.config('GET', '*'))
      .filter((pair) => !except?.test(pair))
      // The order is another in every process.
      .sort();
    const lists = [settings, await client.call('ACL', 'LIST'), await client.eval(KEYS, 0)];
    // A line each, so that a failure shows the ones that differ.
    return (lists as string[][]).flat().join('\n');
  } catch (error) {
    return String(error);
  } finally {
    client.disconnect();
  }
}

/** Keys of an application, of several types, with and without a time to live. */
export async function seed({ port, password }: Place): Promise<void> {
  const client = new Redis(port, '127.0.0.1', { ...(password !== undefined && { password }) });
  await client
    .pipeline()
    .set('mine', 'precious')
    .set('asl:{mine}:session', 'precious', 'EX', 86_400)
    .hset('asl:{mine}:hash', 'a', '1', 'b', '2')
    .rpush('asl:{mine}:list', 'a', 'b', 'a')
    .zadd('asl:{mine}:zset', 1, 'a', 1.5, 'b')
    .exec();
  // What is compared later is to be on the replicas, too; their first synchronization may be under way.
  const replicas = Number(
    /connected_slaves:(\d+)/.exec(await client.info('replication'))?.[1] ?? 0,
  );
  if (replicas > 0) await client.wait(replicas, 10_000);
  client.disconnect();
}

/** The same of a Postgres: its settings, its roles, and the rows of `kept`. */
export async function fingerprintOfPostgres(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  const read = async (query: string) => (await client.query(query)).rows;
  try {
    await client.connect();
    return JSON.stringify([
      await read(
        "SELECT name, setting FROM pg_settings WHERE name <> 'application_name' ORDER BY 1",
      ),
      await read('SELECT rolname, rolcanlogin, rolsuper FROM pg_roles ORDER BY 1'),
      await read('SELECT * FROM kept'),
    ]);
  } catch (error) {
    return String(error);
  } finally {
    await client.end().catch(() => {});
  }
}

function pairs(list: unknown): string[] {
  const flat = list as string[];
  return flat.flatMap((name, at) => (at % 2 === 0 ? [`${name} ${flat[at + 1]}`] : []));
}
