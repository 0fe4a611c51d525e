import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startEstate } from '../drills/estate.js';
import { until } from '../servers/wait.js';

const KILLS = Number(process.env.KILLS ?? 50);
/** A drill with this hold takes about so long from its start to its end, in ms. */
const LENGTH = 4_500;

it(`Redis answers within 1 s of kill -9 of a drill at ${KILLS} random moments, its data intact`, async () => {
  const estate = await startEstate();
  await estate.redisSet('mine', 'precious');
  const times: number[] = [];
  let inOutage = 0;
  for (let round = 0; round < KILLS; round += 1) {
    const drill = estate.spawn(['drill', 'redis-down', '--yes', '--hold', '1500ms']);
    await sleep(Math.random() * LENGTH);
    drill.kill('SIGKILL');
    const killed = performance.now();
    await drill.ended;
    if (!(await estate.answers())) inOutage += 1;
    await until(() => estate.answers(), { timeout: 20_000, every: 5 });
    times.push(Math.round(performance.now() - killed));
    expect(await estate.redisGet('mine')).toBe('precious');
    // A drill that was killed before its watchdog stood has stopped nothing and needs no restoring.
    await until(
      async () => !(await estate.run(['drill', 'status'])).stderr.includes('a drill is open'),
    );
    // Give the applications the time to come back, so that the next drill starts.
    await until(async () => (await modes(estate.urls)).every((mode) => mode === 'redis'), {
      timeout: 20_000,
    });
  }
  await estate.stop();
  times.sort((a, b) => a - b);
  const line = `${KILLS} kills, ${inOutage} while Redis was down: ms until it answered: median ${times[KILLS >> 1]}, max ${times.at(-1)}\n`;
  process.stdout.write(line);
  if (process.env.FIGURES) appendFileSync(process.env.FIGURES, line);
  expect(times.filter((ms) => ms > 1_000)).toEqual([]);
});

function modes(urls: string[]): Promise<string[]> {
  return Promise.all(
    urls.map(
      async (url) => ((await (await fetch(`${url}/api/health`)).json()) as { cache: string }).cache,
    ),
  );
}
