import { command } from './command.js';
import { type RedisServer, startRedis } from './redis.js';
import { until } from './wait.js';

export interface SentinelEstate {
  name: 'main';
  sentinels: { host: string; port: number }[];
  master: RedisServer;
  replica: RedisServer;
  /** The sentinels' own processes. */
  watchers: RedisServer[];
  stop(): Promise<void>;
}

/** A master, a replica in sync, and sentinels that know both. */
export async function startSentinel({
  sentinels = 1,
  config = [] as string[],
} = {}): Promise<SentinelEstate> {
  const master = await startRedis({ config: ['repl-diskless-sync-delay 0', ...config] });
  const replica = await startRedis({ config: [`replicaof 127.0.0.1 ${master.port}`, ...config] });
  await until(
    async () =>
      String(await command(replica.port, 'INFO replication')).includes('master_link_status:up'),
    { timeout: 20_000, what: 'the replica in sync' },
  );
  const quorum = (sentinels >> 1) + 1;
  const watchers = await Promise.all(
    Array.from({ length: sentinels }, () =>
      startRedis({
        sentinel: true,
        config: [
          `sentinel monitor main 127.0.0.1 ${master.port} ${quorum}`,
          'sentinel down-after-milliseconds main 500',
          'sentinel failover-timeout main 3000',
        ],
      }),
    ),
  );
  await until(
    async () => {
      const answers = await Promise.all(
        watchers.map(({ port }) => command(port, 'SENTINEL master main')),
      );
      return answers.every((answer) =>
        new RegExp(
          `num-slaves\\r\\n\\$\\d+\\r\\n1\\r\\n[^]*num-other-sentinels\\r\\n\\$\\d+\\r\\n${sentinels - 1}\\r\\n`,
        ).test(answer),
      );
    },
    { timeout: 20_000, every: 50, what: 'the sentinels to know the replica and one another' },
  );
  return {
    name: 'main',
    sentinels: watchers.map(({ host, port }) => ({ host, port })),
    master,
    replica,
    watchers,
    async stop() {
      await Promise.all([...watchers, master, replica].map((server) => server.stop()));
    },
  };
}
