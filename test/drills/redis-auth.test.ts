import { expect, it } from 'vitest';
import { CASES } from './cases.js';
import { startEstate } from './estate.js';
import { restoresWhateverHappens } from './matrix.js';

restoresWhateverHappens(CASES.auth);

it('refuses a user that may not change users', async () => {
  const estate = await startEstate({ config: ['rename-command ACL ""'], control: 'none' });
  try {
    const { code, stderr } = await estate.run(['drill', 'redis-auth', '--yes']);
    expect(stderr).toMatch(/ACL is refused to this user/);
    expect(code).toBe(6);
  } finally {
    await estate.stop();
  }
});
