import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startService } from '../../src/service/server.js';
import { settingsFrom } from '../../src/service/settings.js';
import { freePort } from '../servers/ports.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { configured } from './estate.js';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function service(env: Record<string, string>): Promise<string> {
  const settings = settingsFrom({ REDIS_PREFIX: 'test', ENV: 'ci', ...env }, { instance: 'one' });
  const { url, close } = await startService(settings);
  onTestFinished(close);
  return `${url}/api/health`;
}

/** An application whose health route answers with this. */
async function double(status: number, body: string): Promise<string> {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/health`;
}

describe('health of applications', () => {
  it('tells the mode, and what is wrong with an answer', async () => {
    const applications = {
      cached: { health: await service({ REDIS_URL: redis.url, CACHE_TYPE: 'redis' }) },
      alone: { health: await service({ CACHE_TYPE: 'memory' }) },
      odd: { health: await double(200, '{"cache":"disk"}') },
      broken: { health: await double(503, 'no') },
      away: { health: `http://127.0.0.1:${await freePort()}/health` },
    };
    const { code, result } = await configured({ applications }).health();
    expect(
      result.applications.map(({ name, mode, status, findings }) => [
        name,
        mode,
        status,
        findings[0]?.message,
      ]),
    ).toEqual([
      ['cached', 'redis', 'ok', undefined],
      ['alone', 'memory', 'warn', 'in memory mode: it does without Redis'],
      ['odd', 'unknown', 'unknown', 'the health answer says "disk" at /cache'],
      ['broken', 'unknown', 'critical', 'answered 503'],
      ['away', 'unknown', 'critical', expect.stringContaining('ECONNREFUSED')],
    ]);
    expect(code).toBe(3);
  });
});

describe('the health command', () => {
  const estate = () => configured({ redis: { main: redis.url, other: redis.url } });

  it('fits a terminal of 80 columns and of 40, and gives a pipe every column', async () => {
    const { run } = estate();
    for (const columns of [80, 40]) {
      const { stdout } = await run(['health', '--sample', '10ms', '--no-color'], {
        tty: true,
        columns,
      });
      expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(
        columns,
      );
      expect(stdout).toMatch(/main/);
      expect(stdout.includes('left out at this width')).toBe(columns === 80);
    }
    const long = await run(['health', '--sample', '10ms', '--long'], { tty: true, columns: 80 });
    expect(long.stdout).toMatch(/hits since boot/);
    const { stdout, stderr } = await run(['health', '--sample', '10ms']);
    const [line] = stdout.split('\n');
    expect(line?.split('\t').slice(0, 5)).toEqual([
      'redis',
      'main',
      `127.0.0.1:${redis.port}`,
      'ok',
      'master',
    ]);
    expect(line?.split('\t')).toHaveLength(23);
    expect(stderr).toMatch(/default \(development\): ok/);
  });

  it('looks at what is named, and suggests the nearest name', async () => {
    const { run, health } = estate();
    const { result } = await health('other');
    expect(result.redis.map(({ target }) => target)).toEqual(['other']);
    const { code, stderr } = await run(['health', 'mian']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/nothing is named "mian"\n {2}hint: did you mean main\?/);
  });

  it('has nothing to look at where nothing is configured', async () => {
    const { code, stderr } = await configured('estate: empty').run(['health']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/nothing to look at.*\n {2}hint: set REDIS_URL/);
  });

  it.each([
    ['--sample', 'soon'],
    ['--watch', 'often'],
    ['--timeout', '5 parsecs'],
  ])('refuses a bad duration for %s', async (flag, value) => {
    const { code, stderr } = await estate().run(['health', flag, value]);
    expect(code).toBe(2);
    expect(stderr).toContain(`${flag}: "${value}" is not a duration`);
  });

  it('watches: one line a look and a summary last', async () => {
    const { run } = estate();
    const { code, stdout } = await run([
      'health',
      '--json',
      '--sample',
      '10ms',
      '--watch',
      '20ms',
      '--count',
      '3',
    ]);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ type }) => type)).toEqual(['item', 'item', 'item', 'summary']);
    expect(lines.at(-1)).toEqual({ type: 'summary', looks: 3, worst: 'ok' });
    expect(code).toBe(0);
  });

  it('ends a watch when it is interrupted, still with its summary', async () => {
    const { run } = estate();
    const controller = new AbortController();
    let looks = 0;
    const watching = run(['health', '--json', '--sample', '10ms', '--watch', '20ms'], {
      signal: controller.signal,
      now: () => {
        looks += 1;
        return Date.now();
      },
    });
    await until(() => looks > 2);
    controller.abort(new Error('interrupted'));
    const { code, stdout } = await watching;
    expect(code).toBe(130);
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ type: 'summary' });
  });
});
