import { type Limits, type Query, readPostgres } from '../postgres/client.js';
import { explainPostgres } from '../postgres/explain.js';
import type { PostgresTarget } from '../postgres/target.js';
import { type BossSchema, findSchemas } from '../queues/pgboss/schemas.js';
import { micro } from '../redis/latency.js';
import { worst } from './finding.js';
import { expiredCache, maintenanceAge } from './maintenance.js';
import type { PostgresLine } from './result.js';
import { judgePostgres, type LimitsFor } from './thresholds.js';

/** One Postgres as it stands, and the pg-boss schemas in it. Reads only. */
export async function inspectPostgres(
  target: PostgresTarget,
  limits: Limits,
  thresholds?: LimitsFor,
): Promise<PostgresLine> {
  const { name, address } = target;
  const none = {
    version: null,
    latency_ms: null,
    connections: { used: null, limit: null },
    maintenance_age_ms: null,
    app_cache: null,
  };
  const line: PostgresLine = {
    target: name,
    address,
    status: 'ok',
    findings: [],
    ...none,
    pgboss: [],
  };
  try {
    const figures = await readPostgres(target, limits, measure);
    const findings = judgePostgres({ ...line, ...figures }, `postgres:${name}`, thresholds);
    return { ...line, ...figures, status: worst(findings.map(({ status }) => status)), findings };
  } catch (error) {
    limits.signal?.throwIfAborted();
    const message = explainPostgres(error, limits.timeout);
    return {
      ...line,
      status: 'critical',
      findings: [{ metric: 'connection', status: 'critical', message }],
    };
  }
}

type Measured =
  | 'version'
  | 'latency_ms'
  | 'connections'
  | 'pgboss'
  | 'maintenance_age_ms'
  | 'app_cache';

async function measure(query: Query): Promise<Pick<PostgresLine, Measured>> {
  const start = performance.now();
  await query('SELECT 1');
  const latency_ms = micro(performance.now() - start);
  // Without pg_monitor the rows of other users are there, only their texts are not.
  const [row] = await query<{ version: string; used: number; limit: number }>(`
    SELECT current_setting('server_version') AS version,
      (SELECT count(*)::float8 FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
      current_setting('max_connections')::float8 AS limit`);
  const pgboss: BossSchema[] = await findSchemas(query);
  return {
    version: row?.version.split(' ')[0] ?? null,
    latency_ms,
    connections: { used: row?.used ?? null, limit: row?.limit ?? null },
    pgboss,
    maintenance_age_ms: await maintenanceAge(query, pgboss),
    app_cache: await expiredCache(query),
  };
}
