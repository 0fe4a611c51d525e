import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { signsIn } from '../../src/drills/faults/liveness.js';
import { byProxy } from '../../src/drills/proxy/control.js';
import { TcpProxy } from '../../src/drills/proxy/tcp.js';
import { freePort } from '../servers/ports.js';
import { startRedis } from '../servers/redis.js';
import { makeCertificates } from '../servers/tls.js';
import { until } from '../servers/wait.js';
import { CASES } from './cases.js';
import { restoresWhateverHappens } from './matrix.js';
import { modeOf, proxyStage } from './stages.js';

restoresWhateverHappens(CASES.latencyByProxy);
restoresWhateverHappens(CASES.resetByProxy);
restoresWhateverHappens(CASES.blackholeByProxy);

type ProxyStage = Awaited<ReturnType<typeof proxyStage>>;

describe.concurrent('a standing proxy', () => {
  it('passes all on again by itself when everybody of the drill is killed', async () => {
    await withProxy(async (stage) => {
      const run = stage.spawn(['drill', 'redis-blackhole', '--yes', '--hold', '4s']);
      await run.says('every application reports memory mode');
      run.kill('SIGSTOP');
      process.kill(stage.watchdog(), 'SIGKILL');
      run.kill('SIGKILL');
      await run.ended;
      for (const url of stage.urls)
        await until(async () => (await modeOf(url)) === 'redis', { timeout: 20_000, every: 50 });
    });
  });

  it('says with exit 7 that it was killed, since applications do not reach Redis then', async () => {
    await withProxy(async (stage) => {
      const run = stage.spawn(['drill', 'redis-latency', '--yes', '--hold', '2s']);
      await run.says('Redis answers late');
      stage.proxy.kill('SIGKILL');
      expect(await run.ended).toBe(7);
      expect(run.output).toMatch(/the proxy at 127.0.0.1:\d+ is gone .*cache-ops drill proxy main/);
      expect((await stage.run(['drill', 'status'])).code).toBe(7);
      // What it has left of its socket is in nobody's way.
      stage.proxy = await stage.startProxy();
      expect((await stage.run(['drill', 'restore'])).code).toBe(0);
      for (const url of stage.urls)
        await until(async () => (await modeOf(url)) === 'redis', { timeout: 20_000, every: 50 });
    });
  });

  it('ends with its signal, by 130, and leaves nothing behind', async () => {
    await withProxy(async (stage) => {
      stage.proxy.kill('SIGTERM');
      expect(await stage.proxy.ended).toBe(130);
      const { code, stderr } = await stage.run(['drill', 'redis-reset', '--yes']);
      expect(stderr).toMatch(/the proxy of 127.0.0.1:\d+ does not run[\s\S]*drill proxy/);
      expect(code).toBe(6);
      const second = await stage.run(['drill', 'redis-latency', '--dry-run']);
      expect(second.code).toBe(6);
    });
  });

  it('is not started twice', async () => {
    await withProxy(async (stage) => {
      const { code, stderr } = await stage.run(['drill', 'proxy']);
      expect(stderr).toMatch(/cannot listen on 127.0.0.1:\d+ \(EADDRINUSE\)/);
      expect(code).toBe(6);
    });
  });

  it('is for who is configured, and goes where it says', async () => {
    await withProxy(async (stage) => {
      const { stdout } = await stage.run(['drill', 'redis-latency', '--dry-run', '--json']);
      expect(JSON.parse(stdout).break).toMatch(
        /by the proxy at 127.0.0.1:\d+ .*: replies 500 ms late/,
      );
      const { stderr } = await stage.run(['drill', 'redis-down', '--yes']);
      expect(stderr).toMatch(/control.proxy has no way to do this to main \(stop\)/);
    });
  });
});

describe.concurrent('what goes through it', () => {
  it('is as it was, whatever its size, both ways and in its order', async () => {
    await through(async (proxy, port) => {
      const client = new Redis(port, '127.0.0.1');
      const values = Array.from({ length: 200 }, (_, n) => `${n} `.repeat(n * 50));
      const writes = client.pipeline();
      for (const [n, value] of values.entries()) writes.set(`k${n}`, value);
      await writes.exec();
      proxy.turn({ delay: 50, jitter: 40 });
      const late = Promise.all(values.map((_, n) => client.get(`k${n}`)));
      // Some are on their way when the delay ends: what comes next must not overtake them.
      await sleep(40);
      proxy.turn({});
      const now = client.mget(values.map((_, n) => `k${n}`));
      expect(await late).toEqual(values);
      expect(await now).toEqual(values);
      client.disconnect();
    });
  });

  it('is cut at the end where something has vanished: no answer is taken for that to another question', async () => {
    await through(async (proxy, port) => {
      const asked = connect(port, '127.0.0.1');
      const quiet = connect(port, '127.0.0.1');
      let answer = '';
      asked.on('data', (data) => {
        answer += data;
      });
      asked.on('error', () => {});
      await until(() => proxy.connections === 2);
      proxy.turn({ blackhole: true });
      asked.write('ECHO first\r\n');
      await sleep(100);
      const closed = new Promise((resolve) => asked.once('close', resolve));
      proxy.turn({});
      asked.write('ECHO second\r\n');
      await closed;
      expect(answer).toBe('');
      // One that was silent meanwhile has lost nothing.
      quiet.write('PING\r\n');
      expect(String(await new Promise((resolve) => quiet.once('data', resolve)))).toBe('+PONG\r\n');
      quiet.destroy();
    });
  });
});

it('lets Redis be known by its own certificate', async () => {
  const certificates = makeCertificates();
  const { ca, foreign } = certificates;
  const redis = await startRedis({ tls: { ...foreign, ca } });
  const port = await freePort();
  const proxy = await TcpProxy.start(['127.0.0.1'], port, redis);
  const signIn = (host: string) =>
    signsIn(
      byProxy(
        { endpoint: { host, port: redis.port }, tls: { ca: readFileSync(ca) } },
        { host: '127.0.0.1', port },
      ),
      2_000,
    );
  try {
    expect(await signIn('elsewhere.example')).toBe(true);
    expect(await signIn('another.example')).toBe(false);
    expect(await signIn('127.0.0.1')).toBe(false);
  } finally {
    await proxy.close();
    await redis.stop();
    certificates.remove();
  }
});

async function withProxy(work: (stage: ProxyStage) => Promise<void>): Promise<void> {
  const stage = await proxyStage(false);
  try {
    await work(stage);
  } finally {
    await stage.stop();
  }
}

async function through(work: (proxy: TcpProxy, port: number) => Promise<void>): Promise<void> {
  const redis = await startRedis();
  const port = await freePort();
  const proxy = await TcpProxy.start(['127.0.0.1'], port, redis);
  try {
    await work(proxy, port);
  } finally {
    await proxy.close();
    await redis.stop();
  }
}
