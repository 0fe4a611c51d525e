import { expect, it } from 'vitest';
import { CASES } from './cases.js';
import { startEstate } from './estate.js';
import { restoresWhateverHappens } from './matrix.js';

restoresWhateverHappens(CASES.port);

it('refuses a managed Redis, whose CONFIG is not to be had', async () => {
  const estate = await startEstate({
    config: ['rename-command CONFIG ""'],
    control: { yaml: '{ connection: true }' },
  });
  try {
    const { code, stderr } = await estate.run(['drill', 'redis-down', '--yes']);
    expect(stderr).toMatch(/CONFIG is refused to this user/);
    expect(code).toBe(6);
    expect(await estate.answers()).toBe(true);
  } finally {
    await estate.stop();
  }
});
