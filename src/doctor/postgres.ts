import { worst } from '../health/finding.js';
import { type Limits, readPostgres } from '../postgres/client.js';
import { explainPostgres } from '../postgres/explain.js';
import type { PostgresTarget } from '../postgres/target.js';
import { POSTGRES_CHECKS } from './postgres-checks.js';
import { readPostgresFacts } from './postgres-facts.js';
import { type Audited, advise } from './result.js';

/** One Postgres. Reads only. */
export async function auditPostgres(target: PostgresTarget, limits: Limits): Promise<Audited> {
  const { name, address } = target;
  const line = { kind: 'postgres' as const, target: name, address };
  try {
    const facts = await readPostgres(target, limits, readPostgresFacts);
    const findings = POSTGRES_CHECKS.flatMap((check) => check(facts));
    return {
      ...line,
      version: facts.version,
      reachable: true,
      status: worst(findings.map(({ status }) => status)),
      findings,
      checked: POSTGRES_CHECKS.length,
    };
  } catch (error) {
    limits.signal?.throwIfAborted();
    const away = advise('critical', 'connection', {
      message: explainPostgres(error, limits.timeout),
      why: 'what cannot be asked cannot be audited',
    });
    return {
      ...line,
      version: null,
      reachable: false,
      status: 'critical',
      findings: [away],
      checked: 0,
    };
  }
}
