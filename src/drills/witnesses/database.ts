import { readPostgres } from '../../postgres/client.js';
import type { CallWitness } from './witness.js';

/** Sees that Postgres takes queries again, and whether it is another process. */
export const callDatabase: CallWitness = async ({ postgres }, limits) => {
  if (!postgres) throw new Error('no Postgres to look at');
  const look = async (now: typeof limits) =>
    readPostgres(postgres, now, async (query) => {
      const [row] = await query<{ started: string }>(
        'SELECT pg_postmaster_start_time()::text AS started',
      );
      return row?.started;
    });
  const before = await look(limits);
  return {
    async check(now) {
      const after = await look(now);
      return {
        problems: [],
        says: 'Postgres takes queries again',
        facts: {
          postgres_restarted: after === before ? 'no' : 'yes',
        },
      };
    },
    async remove() {},
  };
};
