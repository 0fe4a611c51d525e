import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command } from '../servers/command.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { diagnose, impostorForTest, NOBODY, redisForTest } from './pinging.js';

const QUICK = ['--timeout', '300ms'];

describe('a target that cannot be reached (exit 5)', () => {
  let open: RedisServer;
  let locked: RedisServer;
  beforeAll(async () => {
    open = await startRedis();
    locked = await startRedis({
      password: 'right',
      users: ['worker on >workerpass ~* +ping +role +info', 'mute on >mutepass ~* -@all'],
    });
  });
  afterAll(() => Promise.all([open.stop(), locked.stop()]));
  const at = (server: RedisServer, credentials: string) =>
    `redis://${credentials}@127.0.0.1:${server.port}`;

  it('wrong host', async () => {
    const seen = await diagnose('redis://no-such-host.invalid:6379');
    expect(seen).toMatchObject({ exit: 5, stage: 'dns', status: 'failed' });
    // Without any name server the answer is another one.
    expect(['dns_not_found', 'dns_unavailable', 'dns_timeout']).toContain(seen.code);
    expect(seen.first).toMatch(/host name right|any name resolve/);
  });

  it('nothing listens: the checks come in the order of the runbook', async () => {
    const seen = await diagnose(`redis://${NOBODY}`);
    expect(seen).toMatchObject({ exit: 5, code: 'refused', stage: 'tcp' });
    expect(seen.next.map((check) => check.split(' ').slice(0, 4).join(' '))).toEqual([
      'Is the instance up,',
      'Is the port right,',
      "Is this machine's address",
      'Is the network path',
      "What do the application's",
      'Until it is back:',
    ]);
  });

  it('no such unix socket', async () => {
    const seen = await diagnose('unix:///nowhere/redis.sock');
    expect(seen).toMatchObject({ exit: 5, code: 'no_socket', stage: 'tcp' });
    expect(seen.first).toContain('instance up');
  });

  it.each([
    ['no password where one is needed', () => locked.url.replace(':right@', ''), 'noauth'],
    ['a wrong password', () => at(locked, ':wrong'), 'wrongpass'],
    ['a wrong password of a user', () => at(locked, 'worker:wrong'), 'wrongpass'],
    ['a user who does not exist', () => at(locked, 'nobody:x'), 'wrongpass'],
    ['a password where none is set', () => at(open, ':superfluous'), 'no_password_set'],
  ])('%s', async (_, url, code) => {
    const seen = await diagnose(url());
    expect(seen).toMatchObject({ exit: 5, code, stage: 'auth', status: 'failed' });
    expect(seen.first).toMatch(code === 'no_password_set' ? /password out/ : /password right/);
    expect(Object.keys(seen.node.stages)).toEqual(['tcp']);
  });

  it('a user without the right to ping', async () => {
    const seen = await diagnose(at(locked, 'mute:mutepass'));
    expect(seen).toMatchObject({ exit: 5, code: 'noperm', stage: 'ping' });
    expect(seen.first).toContain('ACL SETUSER');
  });

  it('a user with the right password is fine, also with few rights', async () => {
    const seen = await diagnose(at(locked, 'worker:workerpass'));
    expect(seen).toMatchObject({ exit: 0, code: null, status: 'ok' });
    expect(seen.node.role).toBe('master');
  });

  it('a database that does not exist', async () => {
    const seen = await diagnose(`${open.url}/99`);
    expect(seen).toMatchObject({ exit: 5, code: 'db_out_of_range' });
    expect(seen.first).toContain('databases');
  });

  it('a full server, every time: the refusal arrives before our own words', async () => {
    const full = await redisForTest({ config: ['maxclients 1'] });
    const holder = await hold(full.port);
    for (let round = 0; round < 10; round += 1) {
      const seen = await diagnose(full.url);
      expect(seen).toMatchObject({ exit: 5, code: 'maxclients', stage: 'ping', status: 'failed' });
      expect(seen.first).toContain('CLIENT LIST');
    }
    holder.destroy();
  });

  it('a stopped process accepts and does not answer', async () => {
    const stopped = await redisForTest();
    stopped.kill('SIGSTOP');
    const seen = await diagnose(stopped.url, QUICK);
    expect(seen).toMatchObject({ exit: 5, code: 'hung', stage: 'ping' });
    expect(seen.reason).toContain('300 ms');
    expect(seen.first).toContain('process hang');
    stopped.kill('SIGCONT');
    expect(await diagnose(stopped.url)).toMatchObject({ exit: 0 });
  });

  it('a server that stops in the middle of the pings keeps the times that it had', async () => {
    const impostor = await impostorForTest((socket) => {
      let pings = 0;
      socket.on('data', () => {
        pings += 1;
        if (pings <= 3) socket.write('+PONG\r\n');
      });
    });
    const seen = await diagnose(impostor.url, QUICK);
    expect(seen).toMatchObject({ exit: 5, code: 'hung', stage: 'ping' });
    expect(seen.node.latency?.count).toBe(2);
    expect(Object.keys(seen.node.stages)).toEqual(['tcp', 'ping']);
  });

  it.each([
    ['says nothing', () => {}, 'hung', 'process hang'],
    ['hangs up at once', (socket) => socket.end(), 'closed', 'proxy'],
    [
      'speaks HTTP',
      (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      'not_redis',
      'port right',
    ],
    [
      'greets like SSH',
      (socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n'),
      'not_redis',
      'port right',
    ],
    [
      'answers garbage',
      (socket) => socket.write(Buffer.from([0, 255, 1, 13, 10])),
      'not_redis',
      'port right',
    ],
    ['sends back what it gets', (socket) => socket.pipe(socket), 'not_redis', 'port right'],
    [
      'is a proxy without a Redis behind it',
      (socket) => socket.once('data', () => socket.write('-ERR upstream connect error\r\n')),
      'proxy',
      'behind the proxy',
    ],
  ] satisfies [string, Parameters<typeof impostorForTest>[0], string, string][])(
    'something that %s',
    async (_, behave, code, first) => {
      const impostor = await impostorForTest(behave);
      const seen = await diagnose(impostor.url, QUICK);
      expect(seen).toMatchObject({ exit: 5, code, stage: 'ping', status: 'failed' });
      expect(seen.first).toContain(first);
      // Its own limit, and the second look at what listens there.
      expect(seen.elapsed).toBeLessThan(1_500);
    },
  );
});

describe('a target that answers, but is in a bad state (exit 3)', () => {
  it('the dataset is being loaded', async () => {
    const source = await redisForTest({ config: ['rdbcompression no'] });
    const fill = Array.from({ length: 40 }, (_, i) => `SET k${i} ${'x'.repeat(2_000)}\r\n`).join(
      '',
    );
    await command(source.port, `${fill}SAVE`);
    // 40 keys of 100 ms each; https://github.com/redis/redis/blob/7.0/src/rdb.c, key-load-delay.
    const loading = await redisForTest({
      config: [
        `dir ${source.dir}`,
        'key-load-delay 100000',
        'loading-process-events-interval-bytes 1024',
      ],
    });
    const seen = await diagnose(loading.url);
    expect(seen).toMatchObject({ exit: 3, code: 'loading', stage: 'ping', status: 'bad' });
    expect(seen.first).toContain('loading_eta_seconds');
  });

  it('a replica without its master that may not serve stale data', async () => {
    const replica = await redisForTest({
      config: [`replicaof ${NOBODY.replace(':', ' ')}`, 'replica-serve-stale-data no'],
    });
    const seen = await diagnose({ url: replica.url, replica: true });
    expect(seen).toMatchObject({ exit: 3, code: 'masterdown', stage: 'ping', status: 'bad' });
    expect(seen.first).toContain('master up');
  });

  it('a replica without its master that serves what it has', async () => {
    const replica = await redisForTest({ config: [`replicaof ${NOBODY.replace(':', ' ')}`] });
    const seen = await diagnose({ url: replica.url, replica: true });
    expect(seen).toMatchObject({ exit: 3, code: 'link_down', stage: null, status: 'bad' });
    expect(seen.first).toContain('master up');
  });

  it('a replica that is still copying from its master', async () => {
    // 20 keys of 50 ms each; https://github.com/redis/redis/blob/7.0/src/rdb.c, rdb-key-save-delay.
    const master = await redisForTest({
      config: ['rdb-key-save-delay 50000', 'repl-diskless-sync-delay 0'],
    });
    const fill = Array.from({ length: 20 }, (_, index) => `SET k${index} v`).join('\r\n');
    await command(master.port, fill);
    const replica = await redisForTest({ config: [`replicaof 127.0.0.1 ${master.port}`] });
    await until(async () =>
      (await command(replica.port, 'INFO replication')).includes('master_sync_in_progress:1'),
    );
    const seen = await diagnose({ url: replica.url, replica: true });
    expect(seen).toMatchObject({ exit: 3, code: 'syncing', stage: null, status: 'bad' });
    expect(seen.first).toContain('Wait');
  });

  it('a replica where a master is expected, and the other way round', async () => {
    const master = await redisForTest({ config: ['repl-diskless-sync-delay 0'] });
    const replica = await redisForTest({ config: [`replicaof 127.0.0.1 ${master.port}`] });
    await until(async () =>
      (await command(replica.port, 'INFO replication')).includes('master_link_status:up'),
    );
    const seen = await diagnose(replica.url);
    expect(seen).toMatchObject({ exit: 3, code: 'readonly', stage: null, status: 'bad' });
    expect(seen.first).toContain('failover');
    expect(seen.node.role).toBe('replica');
    expect(await diagnose({ url: replica.url, replica: true })).toMatchObject({ exit: 0 });
    expect(await diagnose({ url: master.url, replica: true })).toMatchObject({
      exit: 3,
      code: 'not_replica',
    });
  });
});

/** A connection that Redis has let in. */
async function hold(port: number) {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('PING\r\n');
    const reply = await new Promise<string>((resolve) => {
      socket.once('data', (chunk) => resolve(String(chunk)));
      socket.once('close', () => resolve(''));
    });
    if (reply === '+PONG\r\n') return socket;
    socket.destroy();
  }
}
