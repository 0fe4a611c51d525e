import { describe, expect, it } from 'vitest';
import { command } from '../servers/command.js';
import { alertEstate, HOUR, killed, MINUTE, redisFor, restarted } from './estate.js';

/** Look-ups of a key that is not there. */
const misses = (port: number, count: number) =>
  command(port, Array(count).fill('GET nothing').join('\r\n'));

const RATES = ['operations', 'hit_rate', 'evictions', 'rejected'];

async function estate(more: object = {}) {
  const redis = await redisFor();
  const own = alertEstate({
    redis: { main: redis.url },
    alerts: { rules: RATES.map((rule) => ({ rule, for: 0 })), ...more },
  });
  /** A look, as long after the last one as it truly is. */
  let uptime = 1_000_000;
  return {
    redis,
    ...own,
    passed(ms: number) {
      uptime += ms;
      own.clock.now += ms;
    },
    async rates() {
      const { result, line } = await own.check([], { uptime: () => uptime });
      return {
        firing: result.alerts.filter(({ phase }) => phase === 'firing').map(({ rule }) => rule),
        unknown: RATES.filter((rule) => line(rule)?.phase === 'unknown'),
        line,
      };
    },
  };
}

describe('what happened between two looks', () => {
  it('is not known at the first, and is at the second', async () => {
    const { redis, rates, passed } = await estate();
    await misses(redis.port, 5_000);
    const first = await rates();
    expect(first.unknown).toEqual(['operations', 'hit_rate', 'evictions', 'rejected']);
    expect(first.line('hit_rate')).toMatchObject({ learning: true });
    expect(first.firing).toEqual([]);
    await misses(redis.port, 1_500);
    passed(1_000);
    const second = await rates();
    expect(second.unknown).toEqual([]);
    expect(second.firing).toEqual(['hit_rate']);
    expect(second.line('hit_rate')).toMatchObject({
      value: 0,
      severity: 'critical',
      summary: 'hit rate 0 % over 1500 look-ups',
    });
    // 1,500 in the second, and our own.
    expect(second.line('operations')?.value).toBeGreaterThanOrEqual(1_500);
    expect(second.line('operations')?.value).toBeLessThan(1_600);
  });

  it('is unknown, and not wrong, after CONFIG RESETSTAT', async () => {
    const { redis, rates, passed } = await estate();
    await misses(redis.port, 3_000);
    await rates();
    passed(1_000);
    await rates();
    await command(redis.port, 'CONFIG RESETSTAT');
    await misses(redis.port, 2_000);
    passed(1_000);
    const after = await rates();
    expect(after.firing).toEqual([]);
    expect(after.unknown).toEqual(['operations', 'hit_rate', 'evictions', 'rejected']);
    await misses(redis.port, 1_200);
    passed(1_000);
    expect((await rates()).firing).toEqual(['hit_rate']);
  });

  it('is unknown, and not wrong, after a restart, even when counters have grown past what they were', async () => {
    const { redis, rates, passed } = await estate();
    await command(redis.port, 'GET nothing');
    await rates();
    await killed(redis);
    await restarted(redis);
    await misses(redis.port, 9_000);
    passed(1_000);
    const after = await rates();
    expect(after.firing).toEqual([]);
    expect(after.unknown).toEqual(['operations', 'hit_rate', 'evictions', 'rejected']);
  });

  it.each([
    ['forward', 3 * HOUR],
    ['back', -3 * HOUR],
  ])('is right though the clock was put %s', async (_, jump) => {
    const { redis, rates, passed, clock } = await estate();
    await rates();
    await misses(redis.port, 1_500);
    passed(1_000);
    clock.now += jump;
    const { firing, line, unknown } = await rates();
    // What our clock says of the time between them is not believed.
    expect([firing, unknown]).toEqual([['hit_rate'], []]);
    expect(line('operations')?.value).toBeGreaterThanOrEqual(1_500);
    expect(line('operations')?.value).toBeLessThan(1_600);
  });

  it.each([
    ['forward', 3 * HOUR],
    ['back', -3 * HOUR],
  ])(
    'gives no rate where only clocks tell the time, and they disagree: put %s',
    async (_, jump) => {
      const { redis, check, clock } = await estate();
      await check();
      await misses(redis.port, 9_000);
      clock.now += jump;
      const { line, result } = await check();
      expect(line('operations')).toMatchObject({ phase: 'unknown', value: null });
      expect(result.alerts.filter(({ phase }) => phase === 'firing')).toEqual([]);
    },
  );
});

describe('what is to last', () => {
  it.each([
    ['forward', 3 * HOUR],
    ['back', -3 * HOUR],
  ])('lasts as long as it takes though the clock is put %s', async (_, jump) => {
    const redis = await redisFor();
    const { check, clock } = alertEstate({
      redis: { main: redis.url },
      alerts: {
        rules: [{ name: 'few', when: 'clients.connected < 100', for: '5m' }],
      },
    });
    let uptime = 1_000_000;
    const phase = async () => (await check([], { uptime: () => uptime })).line('few')?.phase;
    expect(await phase()).toBe('pending');
    uptime += MINUTE;
    clock.now += MINUTE + jump;
    expect(await phase()).toBe('pending');
    uptime += 3 * MINUTE;
    clock.now += 3 * MINUTE;
    expect(await phase()).toBe('pending');
    uptime += MINUTE;
    clock.now += MINUTE;
    expect(await phase()).toBe('firing');
  });

  it('passes between runs from cron', async () => {
    const redis = await redisFor();
    const { check, clock } = alertEstate({
      redis: { main: redis.url },
      alerts: { rules: [{ name: 'few', when: 'clients.connected < 100', for: '5m' }] },
    });
    const seen: (string | undefined)[] = [];
    for (let run = 0; run < 4; run += 1) {
      seen.push((await check()).line('few')?.phase);
      clock.now += 2 * MINUTE;
    }
    expect(seen).toEqual(['pending', 'pending', 'pending', 'firing']);
  });
});

describe('the forecast', () => {
  it('says that memory will be full within a day, by the last hour', async () => {
    const redis = await redisFor({ config: ['maxmemory 100mb', 'maxmemory-policy noeviction'] });
    const { check, clock } = alertEstate({ redis: { main: redis.url } });
    const seen: string[] = [];
    for (let turn = 0; turn < 11; turn += 1) {
      await command(redis.port, `SETRANGE key:${turn} 900000 x`);
      const { line } = await check();
      seen.push(line('forecast')?.phase ?? '-');
      clock.now += 5 * MINUTE;
    }
    // Half an hour until there is a trend, ten minutes until it fires.
    expect(seen).toEqual([
      ...Array(6).fill('unknown'),
      ...Array(2).fill('pending'),
      ...Array(3).fill('firing'),
    ]);
    const { line } = await check();
    expect(line('forecast')?.summary).toMatch(
      /^memory at 1\d %, and by the last hour at \d{3} % in 24 h, of maxmemory 100 MB/,
    );
  });
});
