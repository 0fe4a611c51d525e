import type {
  ApplicationLine,
  HealthResult,
  PostgresLine,
  QueueLine,
  RedisLine,
} from '../../health/result.js';
import type { Block, Cell } from '../../output/blocks.js';
import { bytes, count, ms, percent, seconds, status } from '../../output/format.js';

type Columns<Line> = Record<string, (line: Line) => Cell>;

/**
 * One table a kind, then what is not ok, so that it is on the screen when the tables are long. A
 * narrow terminal leaves columns out unless `long` asks for all of them.
 */
export function renderHealth(result: HealthResult, long = false): Block[] {
  const { redis, postgres, queues, applications, estate, environment } = result;
  return [
    ...table(REDIS, redis, long ? [] : LEAVE_OUT),
    ...table(POSTGRES, postgres),
    ...table(QUEUE, queues, long ? [] : LEAVE_OUT),
    ...table(APPLICATION, applications),
    ...remarks(result),
    {
      note: `${estate} (${environment}): ${result.status}, in ${ms(result.took_ms).text}`,
      tone: result.status,
    },
  ];
}

function table<Line>(
  columns: Columns<Line>,
  lines: readonly Line[],
  optional: readonly string[] = [],
): Block[] {
  if (lines.length === 0) return [];
  const cells = Object.values(columns);
  const rows = lines.map((line) => cells.map((cell) => cell(line)));
  return [{ table: { columns: Object.keys(columns), rows, optional } }];
}

/** What a narrow terminal does without, the first first. */
const LEAVE_OUT = [
  'scope',
  'completed',
  'blocked',
  'slow log',
  'fragmentation',
  'hits since boot',
  'replication',
  'up',
  'version',
  'evicted',
  'persistence',
  'policy',
  'basis',
  'role',
  'address',
  'delayed',
  'limit',
  'ops/s',
  'engine',
  'source',
  'paused',
];

const REDIS: Columns<RedisLine> = {
  kind: () => 'redis',
  name: ({ target }) => target,
  address: ({ address }) => address,
  status: (line) => status(line.status),
  role: ({ role, cluster_state }) => (role && cluster_state ? `${role} (cluster)` : role),
  version: ({ version }) => version,
  up: ({ uptime_s }) => seconds(uptime_s),
  latency: ({ latency_ms }) => ms(latency_ms?.p95),
  memory: ({ memory }) => bytes(memory?.used_bytes),
  limit: ({ memory }) => bytes(memory?.limit_bytes),
  '%': ({ memory }) => percent(memory?.ratio),
  basis: ({ memory }) => memory?.basis,
  policy: ({ memory }) => memory?.policy,
  clients: ({ clients }) => count(clients?.connected),
  'ops/s': ({ operations_per_s }) => count(operations_per_s),
  hits: ({ hit_rate }) => percent(hit_rate?.sample),
  'hits since boot': ({ hit_rate }) => percent(hit_rate?.since_boot),
  evicted: ({ evictions }) => count(evictions?.sample),
  fragmentation: ({ fragmentation }) => fragmentation,
  persistence: ({ persistence }) =>
    persistence && `aof ${persistence.aof ?? '?'}, rdb ${persistence.rdb ?? '?'}`,
  replication: replicationText,
  'slow log': ({ slowlog }) => count(slowlog),
  keys: ({ keys }) => count(keys),
};

function replicationText({ role, replication }: RedisLine): Cell {
  if (!replication) return null;
  if (role === 'replica') return `link ${replication.link ?? '?'}, ${replication.lag_s ?? '?'} s`;
  const { replicas } = replication;
  return replicas === null ? null : `${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`;
}

const POSTGRES: Columns<PostgresLine> = {
  kind: () => 'postgres',
  name: ({ target }) => target,
  address: ({ address }) => address,
  status: (line) => status(line.status),
  version: ({ version }) => version,
  latency: ({ latency_ms }) => ms(latency_ms),
  connections: ({ connections }) => count(connections.used),
  limit: ({ connections }) => count(connections.limit),
  'pg-boss': ({ pgboss }) =>
    pgboss.map(({ schema, version }) => `${schema} ${version}`).join(', ') || 'none',
};

const QUEUE: Columns<QueueLine> = {
  kind: () => 'queue',
  name: ({ queue }) => queue,
  engine: ({ engine }) => engine,
  source: ({ source }) => source,
  scope: ({ scope }) => scope,
  status: (line) => status(line.status),
  waiting: ({ waiting }) => count(waiting),
  active: ({ active }) => count(active),
  delayed: ({ delayed }) => count(delayed),
  blocked: ({ blocked }) => count(blocked),
  failed: ({ failed }) => count(failed),
  completed: ({ completed }) => count(completed),
  oldest: ({ oldest_waiting_ms }) => ms(oldest_waiting_ms),
  paused: ({ paused }) => (paused === null ? null : paused ? 'yes' : 'no'),
  workers: ({ workers }) => count(workers),
};

const APPLICATION: Columns<ApplicationLine> = {
  kind: () => 'application',
  name: ({ name }) => name,
  status: (line) => status(line.status),
  mode: ({ mode }) => mode,
  latency: ({ latency_ms }) => ms(latency_ms),
};

function remarks({ redis, postgres, queues, applications }: HealthResult): Block[] {
  const said = [
    ...redis.map((line) => ({ name: `${line.target} ${line.address}`, line })),
    ...postgres.map((line) => ({ name: `${line.target} ${line.address}`, line })),
    ...queues.map((line) => ({ name: line.queue ?? `${line.engine} on ${line.source}`, line })),
    ...applications.map((line) => ({ name: line.name, line })),
  ].flatMap(({ name, line }) => line.findings.map((finding) => ({ name, ...finding })));
  const order = ['critical', 'warn', 'unknown', 'ok'];
  return said
    .toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status))
    .map(({ name, status: tone, message }) => ({ note: `${tone}: ${name}: ${message}`, tone }));
}
