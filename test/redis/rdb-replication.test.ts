import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { CacheOpsError } from '../../src/errors.js';
import { type Limits, openChannel, StageError } from '../../src/redis/channel.js';
import type { RdbEnd } from '../../src/redis/rdb/read.js';
import { readFromServer } from '../../src/redis/rdb/replication.js';
import type { Access } from '../../src/redis/target.js';
import { impostorForTest, redisForTest } from '../commands/pinging.js';
import { makeCertificates } from '../servers/tls.js';
import { until } from '../servers/wait.js';
import { file, key, string } from './rdb-bytes.js';
import { type Command, sendAll } from './rdb-corpus.js';

const certificates = makeCertificates();
afterAll(() => certificates.remove());

const LIMITS = { timeout: 5_000 };
const AT_ONCE = 'repl-diskless-sync-delay 0';
const accessTo = (port: number): Access => ({ endpoint: { host: '127.0.0.1', port } });

async function take(access: Access, limits: Limits = LIMITS, progress = () => {}) {
  const keys: string[] = [];
  const sink = { add: ({ key }: { key: string }) => keys.push(key) };
  const end = await readFromServer(access, limits, sink, { progress });
  return { end, keys };
}

async function fill(access: Access, count: number, length = 10): Promise<void> {
  const channel = await openChannel(access, LIMITS);
  const commands = Array.from(
    { length: count },
    (_, at): Command => [...['SET', `key:${at}`, 'x'.repeat(length)]],
  );
  await sendAll(channel, commands);
  channel.close();
}

/** Waits until the server has no replica and no memory of one. */
async function leftNothing(access: Access): Promise<void> {
  const channel = await openChannel(access, LIMITS);
  await until(
    async () => {
      const info = `${await channel.send('INFO', 'replication')}${await channel.send('INFO', 'memory')}`;
      return /connected_slaves:0\r/.test(info) && /mem_clients_slaves:0\r/.test(info);
    },
    { what: 'a server without replicas' },
  );
  expect(await channel.send('CLIENT', 'LIST', 'TYPE', 'replica')).toBe('');
  channel.close();
}

function expectWhole(end: RdbEnd, keys: number): void {
  expect(end).toMatchObject({ keys, problem: undefined, interrupted: false, version: 10 });
}

describe('the data set of a server, taken as a replica takes it', () => {
  it.each([
    ['diskless', true],
    ["by the server's file", false],
  ])('is whole and leaves nothing behind: %s', async (_, diskless) => {
    const config = [`repl-diskless-sync ${diskless ? 'yes' : 'no'}`, AT_ONCE];
    const server = await redisForTest({ config });
    const access = accessTo(server.port);
    await fill(access, 20_000);
    const { end, keys } = await take(access);
    expectWhole(end, 20_000);
    expect(new Set(keys).size).toBe(20_000);
    // Only with a file the server says how long it is.
    expect(end.total).toBe(diskless ? null : end.bytes);
    await leftNothing(access);
    // Its own dump file, which every BGSAVE writes.
    const files = readdirSync(server.dir).filter((name) => name.endsWith('.rdb'));
    expect(files).toEqual(diskless ? [] : ['dump.rdb']);
  });

  it('is had with a password, over TLS, over a unix socket, of database 0 and others', async () => {
    const tls = { ...certificates.server, ca: certificates.ca };
    const server = await redisForTest({ password: 'secret word', tls, config: [AT_ONCE] });
    const secure: Access = {
      ...accessTo(server.port),
      password: 'secret word',
      tls: { ca: readFileSync(certificates.ca) },
    };
    await fill({ ...secure, db: 3 }, 100);
    const taken = await take({ ...secure, db: 5 });
    expectWhole(taken.end, 100);
    expect(taken.end.databases).toMatchObject([{ db: 3, keys: 100 }]);
    const local = await redisForTest({ unixSocket: true, config: [AT_ONCE] });
    const path: Access = { endpoint: { path: local.socketPath as string } };
    await fill(path, 50);
    expectWhole((await take(path)).end, 50);
  });

  it('is had of a replica too, and the master does not notice', async () => {
    const master = await redisForTest({ config: [AT_ONCE] });
    await fill(accessTo(master.port), 1_000);
    const replica = await redisForTest({
      config: [AT_ONCE, `replicaof 127.0.0.1 ${master.port}`],
    });
    const channel = await openChannel(accessTo(replica.port), LIMITS);
    await until(async () =>
      /master_link_status:up/.test(`${await channel.send('INFO', 'replication')}`),
    );
    channel.close();
    expectWhole((await take(accessTo(replica.port))).end, 1_000);
    await leftNothing(accessTo(replica.port));
  });

  it('needs only the right to replicate', async () => {
    const server = await redisForTest({
      config: [AT_ONCE],
      users: ['replicator on >word +psync +replconf +ping'],
    });
    await fill(accessTo(server.port), 10);
    const access = { ...accessTo(server.port), username: 'replicator', password: 'word' };
    expectWhole((await take(access)).end, 10);
  });

  it('is refused with a hint where that right is missing', async () => {
    const server = await redisForTest({ users: ['reader on >word ~* +@read +ping'] });
    const access = { ...accessTo(server.port), username: 'reader', password: 'word' };
    const error = await take(access).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CacheOpsError);
    expect(error).toMatchObject({
      code: 'refused',
      message: expect.stringContaining('does not replicate to us: NOPERM'),
      hint: expect.stringContaining('ACL SETUSER reader +psync +replconf'),
    });
    await leftNothing(accessTo(server.port));
  });

  it('is refused by a managed service, which does not know the command', async () => {
    const server = await redisForTest({
      config: ['rename-command PSYNC ""', 'rename-command SYNC ""'],
    });
    await expect(take(accessTo(server.port))).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/unknown command/),
      hint: expect.stringContaining('backup'),
    });
    const wrong = { ...accessTo(server.port), password: 'wrong' };
    await expect(take(wrong)).rejects.toThrow(StageError);
  });

  it('ends when it is told to while the server prepares, and the server forgets it', async () => {
    const server = await redisForTest({ config: ['repl-diskless-sync-delay 60'] });
    const access = accessTo(server.port);
    const abort = new AbortController();
    const taking = take(access, { ...LIMITS, signal: abort.signal });
    const refused = expect(taking).rejects.toMatchObject({ name: 'AbortError' });
    const channel = await openChannel(access, LIMITS);
    const replicas = async () => `${await channel.send('INFO', 'replication')}`;
    await until(async () => /connected_slaves:1/.test(await replicas()));
    abort.abort();
    await refused;
    channel.close();
    await leftNothing(access);
  });

  it('ends when it is told to amid it, with what it has', async () => {
    const server = await redisForTest({ config: ['rdb-key-save-delay 200', AT_ONCE] });
    const access = accessTo(server.port);
    await fill(access, 20_000, 500);
    const abort = new AbortController();
    const { end, keys } = await take(access, { ...LIMITS, signal: abort.signal }, () =>
      abort.abort(),
    );
    expect(end).toMatchObject({ interrupted: true, problem: undefined, keys: keys.length });
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.length).toBeLessThan(20_000);
    await leftNothing(access);
  });

  it('is taken from a diskless server that goes on, and the connection is closed', async () => {
    const rdb = file('REDIS0010', key(0, 'first', string('v')));
    const mark = 'm'.repeat(40);
    let closed = false;
    const impostor = await impostorForTest((socket) => {
      socket.on('close', () => (closed = true));
      socket.on('data', (chunk) => {
        const text = chunk.toString();
        if (text.includes('PSYNC')) {
          socket.write(`+FULLRESYNC ${'0'.repeat(40)} 1\r\n\n$EOF:${mark}\r\n`);
          socket.write(Buffer.concat([rdb, Buffer.from(`${mark}*1\r\n$4\r\nPING\r\n`)]));
        } else for (const _ of text.matchAll(/\*\d/g)) socket.write('+PONG\r\n');
      });
    });
    expectWhole((await take(accessTo(impostor.port))).end, 1);
    await until(() => closed);
  });

  it('is partial, with its problem, when the server dies amid it', async () => {
    const rdb = file('REDIS0010', [key(0, 'first', string('v')), key(0, 'second', string('v'))]);
    const impostor = await impostorForTest((socket) => {
      socket.on('data', (chunk) => {
        const text = chunk.toString();
        if (text.includes('PSYNC')) {
          socket.write(`+FULLRESYNC ${'0'.repeat(40)} 1\r\n\n\n$${rdb.length}\r\n`);
          socket.end(rdb.subarray(0, 25));
        } else for (const _ of text.matchAll(/\*\d/g)) socket.write('+PONG\r\n');
      });
    });
    const { end, keys } = await take(accessTo(impostor.port));
    expect(keys).toEqual(['first']);
    expect(end.problem).toMatchObject({ offset: 25, found: 'the end of the input' });
  });

  it('is unavailable when the server hangs up before it begins', async () => {
    const impostor = await impostorForTest((socket) => {
      socket.on('data', (chunk) => {
        const text = chunk.toString();
        if (text.includes('PSYNC')) socket.end(`+FULLRESYNC ${'0'.repeat(40)} 1\r\n\n`);
        else for (const _ of text.matchAll(/\*\d/g)) socket.write('+PONG\r\n');
      });
    });
    await expect(take(accessTo(impostor.port))).rejects.toMatchObject({ code: 'unavailable' });
  });
});
