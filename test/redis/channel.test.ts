import { describe, expect, it } from 'vitest';
import { ClosedError, openChannel, TimeoutError } from '../../src/redis/channel.js';
import { ReplyError } from '../../src/redis/resp.js';
import { impostorForTest, redisForTest } from '../commands/pinging.js';

const access = (port: number) => ({ endpoint: { host: '127.0.0.1', port } });

describe('a raw connection', () => {
  it('has the replies in the order of the commands, also of very many', async () => {
    const redis = await redisForTest();
    const channel = await openChannel(access(redis.port), { timeout: 5_000 });
    const echoes = Array.from({ length: 20_000 }, (_, index) => ['ECHO', index]);
    const [first, second] = await Promise.all([
      channel.pipeline(echoes),
      channel.pipeline([['NONSENSE'], ['ECHO', 'last']]),
    ]);
    expect(first).toEqual(echoes.map(([, index]) => String(index)));
    expect(second).toEqual([expect.any(ReplyError), 'last']);
    channel.close();
    await expect(channel.send('PING')).rejects.toThrow(ClosedError);
  });

  it('keeps every byte of keys and values that are not UTF-8', async () => {
    const redis = await redisForTest();
    const channel = await openChannel(access(redis.port), { timeout: 5_000 });
    channel.speakBytes();
    const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
    expect(await channel.send('SET', `key ${bytes}`, bytes)).toBe('OK');
    expect(await channel.send('GET', `key ${bytes}`)).toBe(bytes);
    expect(await channel.send('KEYS', '*')).toEqual([`key ${bytes}`]);
    channel.close();
  });

  it('takes a reset for what a close is: the server has gone', async () => {
    const impostor = await impostorForTest((socket) =>
      socket.once('data', () => {
        socket.write('+PONG\r\n');
        socket.once('data', () => socket.resetAndDestroy());
      }),
    );
    const channel = await openChannel(access(impostor.port), { timeout: 5_000 });
    await expect(channel.send('PING')).rejects.toThrow(ClosedError);
  });

  it('says why the server hung up, where the server has said it', async () => {
    const impostor = await impostorForTest((socket) =>
      socket.once('data', () => {
        socket.end('+PONG\r\n-ERR max number of clients reached\r\n');
      }),
    );
    const channel = await openChannel(access(impostor.port), { timeout: 5_000 });
    await expect(channel.send('GET', 'x')).rejects.toThrow('max number of clients reached');
  });

  it('gives every command that waits the same reason when it breaks', async () => {
    const redis = await redisForTest();
    const channel = await openChannel(access(redis.port), { timeout: 5_000 });
    redis.kill('SIGSTOP');
    const waiting = [channel.send('PING'), channel.pipeline([['PING'], ['PING']])];
    redis.kill('SIGKILL');
    redis.kill('SIGCONT');
    const outcomes = await Promise.allSettled(waiting);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('does not outlive an answer that is late: what comes then would be taken for another', async () => {
    const redis = await redisForTest();
    const channel = await openChannel(access(redis.port), { timeout: 200 });
    await expect(channel.send('BLPOP', 'nothing', 1)).rejects.toThrow(TimeoutError);
    await expect(channel.send('PING')).rejects.toThrow(TimeoutError);
  });
});
