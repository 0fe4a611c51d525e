import { readFileSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { type Certificates, makeCertificates, type Pair } from '../servers/tls.js';
import { diagnose, impostorForTest, ping, redisForTest } from './pinging.js';

const QUICK = ['--timeout', '300ms'];

describe('TLS', () => {
  let files: Certificates;
  let plain: RedisServer;
  let secure: RedisServer;
  let strict: RedisServer;
  const servers: RedisServer[] = [];
  const serve = async (pair: Pair, clients: 'yes' | 'no' = 'no', config: string[] = []) => {
    const server = await startRedis({ tls: { ...pair, ca: files.ca, clients }, config });
    servers.push(server);
    return server;
  };
  beforeAll(async () => {
    files = makeCertificates();
    plain = await startRedis();
    servers.push(plain);
    secure = await serve(files.server);
    strict = await serve(files.server, 'yes');
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    files.remove();
  });

  it('with the own authority named, it is fine', async () => {
    const seen = await diagnose({ url: secure.url, tls: { ca: files.ca } });
    expect(seen).toMatchObject({ exit: 0, code: null });
    expect(Object.keys(seen.node.stages)).toEqual(['tcp', 'tls', 'ping']);
  });

  it('an unknown authority', async () => {
    const seen = await diagnose(secure.url);
    expect(seen).toMatchObject({ exit: 5, code: 'unknown_ca', stage: 'tls', status: 'failed' });
    expect(seen.first).toContain('tls: { ca: FILE }');
    expect(Object.keys(seen.node.stages)).toEqual(['tcp']);
  });

  it('a self-signed certificate', async () => {
    const seen = await diagnose((await serve(files.selfSigned)).url);
    expect(seen).toMatchObject({ exit: 5, code: 'self_signed', stage: 'tls' });
    expect(seen.first).toContain('tls: { ca: FILE }');
  });

  it('an expired certificate', async () => {
    const { url } = await serve(files.expired);
    const seen = await diagnose({ url, tls: { ca: files.ca } });
    expect(seen).toMatchObject({ exit: 5, code: 'cert_expired', stage: 'tls' });
    expect(seen.first).toContain('Renew it');
  });

  it('a certificate for another name', async () => {
    const { url } = await serve(files.foreign);
    const seen = await diagnose({ url, tls: { ca: files.ca } });
    expect(seen).toMatchObject({ exit: 5, code: 'cert_name', stage: 'tls' });
    expect(seen.first).toContain('servername');
    expect(seen.next.join()).toContain('elsewhere.example');
    expect(
      await diagnose({ url, tls: { ca: files.ca, servername: 'elsewhere.example' } }),
    ).toMatchObject({ exit: 0 });
  });

  it('any certificate will do with verify: false', async () => {
    expect(await diagnose({ url: secure.url, tls: { verify: false } })).toMatchObject({ exit: 0 });
  });

  it.each(['TLSv1.2', 'TLSv1.3'])('a client certificate is asked for (%s)', async (version) => {
    const { url } = await serve(files.server, 'yes', [`tls-protocols ${version}`]);
    const seen = await diagnose({ url, tls: { ca: files.ca } });
    expect(seen).toMatchObject({ exit: 5, code: 'client_cert_required', stage: 'tls' });
    expect(seen.first).toContain('tls: { cert: FILE, key: FILE }');
  });

  it('a client certificate of the right authority is fine', async () => {
    const tls = { ca: files.ca, ...files.client };
    expect(await diagnose({ url: strict.url, tls })).toMatchObject({ exit: 0, code: null });
  });

  it('a client certificate of another authority is not', async () => {
    const tls = { ca: files.ca, ...files.selfSigned };
    const seen = await diagnose({ url: strict.url, tls });
    expect(seen).toMatchObject({ exit: 5, code: 'client_cert_rejected', stage: 'tls' });
    expect(seen.first).toContain('tls-ca-cert-file');
  });

  it('TLS to a plain port: Redis keeps silent, a second look finds out', async () => {
    const url = plain.url.replace('redis:', 'rediss:');
    const seen = await diagnose(url, QUICK);
    expect(seen).toMatchObject({ exit: 5, code: 'tls_to_plain', stage: 'tls' });
    expect(seen.first).toContain('redis:// instead of rediss://');
    expect(seen.elapsed).toBeLessThan(1_500);
  });

  it('TLS to a plain port with a password', async () => {
    const locked = await redisForTest({ password: 'right' });
    const seen = await diagnose(locked.url.replace('redis:', 'rediss:'), QUICK);
    expect(seen).toMatchObject({ exit: 5, code: 'tls_to_plain', stage: 'tls' });
  });

  it.each([
    ['without a password', ''],
    ['with a password', ':right@'],
  ])('plain words to a TLS port, %s', async (_, credentials) => {
    const seen = await diagnose(`redis://${credentials}127.0.0.1:${secure.port}`, QUICK);
    expect(seen).toMatchObject({ exit: 5, code: 'plain_to_tls', status: 'failed' });
    expect(seen.stage).toBe(credentials ? 'auth' : 'ping');
    expect(seen.first).toContain('rediss:// instead of redis://');
  });

  it('plain words to a TLS port that answers with an alert', async () => {
    const server = createTls(pemOf(files.server), (socket) =>
      socket.once('data', () => socket.write('+PONG\r\n')),
    );
    const seen = await diagnose(`redis://127.0.0.1:${await listen(server)}`, QUICK);
    expect(seen).toMatchObject({ exit: 5, code: 'plain_to_tls' });
    server.close();
  });

  it('something that takes the connection and never shakes hands', async () => {
    const silent = await impostorForTest(() => {});
    const seen = await diagnose(silent.url.replace('redis:', 'rediss:'), QUICK);
    expect(seen).toMatchObject({ exit: 5, code: 'tls_timeout', stage: 'tls' });
    expect(seen.first).toContain('port speak TLS');
  });

  it('an HTTPS server is no Redis', async () => {
    const server = createHttps(pemOf(files.server));
    const url = `rediss://127.0.0.1:${await listen(server)}`;
    expect(await diagnose({ url, tls: { ca: files.ca } }, QUICK)).toMatchObject({
      exit: 5,
      code: 'not_redis',
      stage: 'ping',
    });
    server.close();
  });

  it('a certificate file that is not there is named, as a mistake in the configuration', async () => {
    const target = { url: secure.url, tls: { ca: '/nowhere/ca.pem' } };
    const { code, stdout, stderr } = await ping({ main: target });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('/nowhere/ca.pem');
  });

  it('a key that does not belong to the certificate', async () => {
    const tls = { ca: files.ca, cert: files.client.cert, key: files.server.key };
    const seen = await diagnose({ url: strict.url, tls });
    expect(seen).toMatchObject({ exit: 5, code: 'tls_failed', stage: 'tls' });
    expect(seen.next.join()).toContain('key belong together');
  });
});

function pemOf({ cert, key }: Pair) {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
