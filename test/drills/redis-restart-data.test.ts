import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { CASES } from './cases.js';
import { startEstate, summary } from './estate.js';
import { restoresWhateverHappens } from './matrix.js';

restoresWhateverHappens(CASES.restart);

it('fails where a restart loses what was written, and says what', async () => {
  // The first start after the stop finds nothing: its files are gone, as on a disk that is thrown away.
  const estate = await startEstate({
    start: (real) => `rm -rf $(dirname ${real.split(' ')[1]})/appendonlydir; ${real}`,
  });
  try {
    const { code, stdout } = await estate.run([
      'drill',
      'redis-restart-data',
      '--yes',
      '--hold',
      '300ms',
    ]);
    const { restored, reasons } = summary(stdout);
    expect(reasons.join('\n')).toMatch(
      /120 of 120 keys written before are not as they were after it/,
    );
    expect(restored).toBe(true);
    expect(code).toBe(3);
  } finally {
    await estate.stop();
  }
});

it('says which setting stood in the running server only', async () => {
  const estate = await startEstate();
  try {
    const client = new Redis(estate.redis.port, '127.0.0.1', { password: 'pass word' });
    await client.config('SET', 'maxmemory', '104857600');
    client.disconnect();
    const { code, stdout } = await estate.run([
      'drill',
      'redis-restart-data',
      '--yes',
      '--hold',
      '300ms',
    ]);
    expect(summary(stdout).reasons).toEqual(['maxmemory was 104857600, and is 0 after the drill']);
    expect(code).toBe(3);
  } finally {
    await estate.stop();
  }
});

it('says that it is started another way than it had been', async () => {
  const estate = await startEstate({ start: (real) => `${real} --daemonize no` });
  try {
    const argv = ['drill', 'redis-restart-data', '--yes', '--hold', '300ms'];
    const { code, stdout } = await estate.run(argv);
    expect(summary(stdout).reasons).toEqual([
      'daemonize was yes, and is no after the drill: `control` starts it another way than it had been started',
    ]);
    expect(code).toBe(3);
    // From here on it is started as it was.
    expect((await estate.run(argv)).code).toBe(0);
  } finally {
    await estate.stop();
  }
});
