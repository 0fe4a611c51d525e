import { expect, it } from 'vitest';
import type { RedisFacts } from '../../src/doctor/redis-facts.js';
import { USE_CHECKS } from '../../src/doctor/redis-use.js';

const DAYS = 24 * 3_600;
const idleOf = (clients: Record<string, string>[], timeout = '0') => {
  const facts = { clients, config: { timeout }, info: {}, roles: ['cache'], target: {} };
  return USE_CHECKS.flatMap((check) => check(facts as unknown as RedisFacts)).find(
    ({ metric }) => metric === 'idle_clients',
  );
};
const client = (more: Record<string, string>) => ({
  ...{ id: '7', addr: '10.0.0.5:1234', name: 'worker', idle: `${3 * DAYS}`, flags: 'N' },
  ...more,
});

it('a client that has been idle for days is found, with who it is and the line that ends it', () => {
  const rested = client({ id: '8', idle: '3600' });
  expect(idleOf([client({}), rested])).toMatchObject({
    message:
      '1 of 2 clients have been idle for more than a day, the longest 7 worker from 10.0.0.5:1234 for 3d 0h',
    mend: `CONFIG SET timeout ${DAYS}`,
  });
  expect(idleOf([client({})], '300')?.mend).toBe('CLIENT KILL ID 7');
});

it('those that are silent by nature are not: who subscribes, blocks, replicates or monitors', () => {
  expect(idleOf(['P', 'b', 'S', 'M', 'O'].map((flags) => client({ flags })))).toBeUndefined();
});
