import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { startCluster } from './cluster.js';
import { startPostgres } from './postgres.js';
import { isRunning, startRedis } from './redis.js';
import { startSentinel } from './sentinel.js';
import { makeCertificates } from './tls.js';

it('a Redis with TLS leaves nothing behind', async () => {
  const certificates = makeCertificates();
  const redis = await startRedis({ tls: { ...certificates.server, ca: certificates.ca } });
  const { pid, dir } = redis;
  expect(isRunning(pid)).toBe(true);
  await redis.stop();
  certificates.remove();
  expect([isRunning(pid), existsSync(dir), existsSync(certificates.ca)]).toEqual([
    false,
    false,
    false,
  ]);
});

it('a Postgres leaves nothing behind', async () => {
  const postgres = await startPostgres();
  await postgres.stop();
  expect([isRunning(postgres.pid), existsSync(postgres.dir)]).toEqual([false, false]);
});

it('a Sentinel estate comes up', async () => {
  const estate = await startSentinel({ sentinels: 3 });
  expect(estate.sentinels).toHaveLength(3);
  await estate.stop();
});

it('a cluster comes up', async () => {
  const cluster = await startCluster();
  expect(cluster.masters).toHaveLength(3);
  await cluster.stop();
});
