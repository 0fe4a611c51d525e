import { CacheOpsError, codeOf, messageOf } from '../../errors.js';
import type { Limits } from '../../postgres/client.js';
import { explainPostgres } from '../../postgres/explain.js';
import type { PostgresTarget } from '../../postgres/target.js';

const DEADLOCK = '40P01';
const NO_RIGHT = '42501';
const READ_ONLY = '25006';
/** Node's system errors, and the classes of SQLSTATE that are about the way to the server or its state. */
const UNREACHED = /^(E[A-Z]+$|08|28|3D|53|57)/;

/**
 * Runs a transaction anew when Postgres chose it as the victim of a deadlock: pg-boss's maintenance
 * locks failed jobs in an order of its own. Everything it did was undone.
 */
export async function retried<T>(work: () => Promise<T>, tries = 3): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) !== DEADLOCK || tries <= 1) throw error;
    return retried(work, tries - 1);
  }
}

/** What stands against a statement, as the operator can act on it; without the URL. */
export async function inWords<T>(
  { name, address }: PostgresTarget,
  { timeout, signal }: Limits,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof CacheOpsError) throw error;
    const code = codeOf(error) ?? '';
    const where = `Postgres ${name} (${address})`;
    if (code === NO_RIGHT)
      throw new CacheOpsError(
        'refused',
        `${where}: ${messageOf(error)}`,
        'GRANT the right to the user in the configuration; SELECT is enough to read',
      );
    if (code === READ_ONLY || /recovery/.test(messageOf(error)))
      throw new CacheOpsError('refused', `${where} is a replica, or read-only`, 'use its primary');
    if (!UNREACHED.test(code) && !/timeout|terminated/i.test(messageOf(error))) throw error;
    throw new CacheOpsError(
      'connect',
      `${where}: ${explainPostgres(error, timeout)}`,
      'cache-ops health says more; --timeout sets how long it waits',
    );
  }
}

/** The same for what comes piece by piece. */
export async function* eachInWords<T>(
  target: PostgresTarget,
  limits: Limits,
  pieces: AsyncGenerator<T>,
): AsyncGenerator<T> {
  try {
    for (;;) {
      const { value, done } = await inWords(target, limits, () => pieces.next());
      if (done) return;
      yield value;
    }
  } finally {
    await pieces.return(undefined);
  }
}
