import { describe, expect, it } from 'vitest';
import { alertEstate, redisFor, redisOf100 } from './estate.js';

describe('alert check in other people’s formats', () => {
  it('speaks the contract of Nagios plug-ins', async () => {
    const { redis, fill } = await redisOf100();
    const estate = alertEstate({
      redis: { main: redis.url },
      alerts: { rules: [{ rule: 'memory', for: 0 }] },
    });
    const nagios = async () => {
      const { code, stdout } = await estate.run(['alert', 'check', '--nagios']);
      expect(stdout.trim().split('\n')).toHaveLength(1);
      return { code, stdout };
    };
    const fine = await nagios();
    expect(fine.code).toBe(0);
    expect(fine.stdout).toMatch(
      /^CACHE-OPS OK - \d+ rules are well.* \| .*'redis:main memory'=0\.0\d+;0\.8;0\.9/,
    );
    expect(fine.stdout).toMatch(/'redis:main latency'=[\d.]+ms;50;200/);
    await fill(85);
    expect(await nagios()).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^CACHE-OPS WARNING - redis:main memory: memory at 85 %/),
    });
    await fill(95);
    expect((await nagios()).code).toBe(2);
    const shy = await redisFor({ users: ['default off', 'shy on >pw ~* -@all +ping'] });
    const blind = alertEstate({ redis: { main: `redis://shy:pw@127.0.0.1:${shy.port}` } });
    const { code, stdout } = await blind.run(['alert', 'check', '--nagios']);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^CACHE-OPS UNKNOWN - redis:main memory: memory.used_ratio cannot be/);
  });

  it('fits a terminal of 80 columns and of 40, and gives a pipe every column', async () => {
    const { redis, fill } = await redisOf100();
    const { run } = alertEstate({
      redis: { main: redis.url },
      alerts: { rules: [{ rule: 'memory', for: 0 }] },
    });
    await fill(85);
    for (const columns of [80, 40]) {
      for (const argv of [['check'], ['check', '--long'], ['rules'], ['rules', '--metrics']]) {
        const { stdout } = await run(['alert', ...argv, '--no-color'], { tty: true, columns });
        const widest = Math.max(...stdout.split('\n').map((line) => line.length));
        expect(widest, `${argv} at ${columns}`).toBeLessThanOrEqual(columns);
      }
    }
    const { stdout, stderr } = await run(['alert', 'check']);
    expect(stdout.split('\t').slice(0, 4)).toEqual(['firing', 'warn', 'memory', 'redis:main']);
    expect(stderr).toMatch(/to do: find what takes it/);
  });

  it('agrees with health, whose limits are the same', async () => {
    const { redis, fill } = await redisOf100();
    const { run, check } = alertEstate({
      redis: { main: redis.url },
      alerts: { rules: [{ rule: 'memory', warn: 0.6, critical: 0.7, for: 0 }] },
    });
    for (const [percent, status] of [
      [55, undefined],
      [65, 'warn'],
      [75, 'critical'],
    ] as const) {
      await fill(percent);
      const { stdout } = await run(['health', '--json', '--sample', '0ms']);
      const findings: { metric: string; status: string }[] = JSON.parse(stdout).redis[0].findings;
      expect(findings.find(({ metric }) => metric === 'memory')?.status).toBe(status);
      expect((await check()).line('memory')?.severity ?? undefined).toBe(status);
    }
  });
});
