import type { OverviewResult, ServerMemory } from '../../memory/result.js';
import type { Block, Cell } from '../../output/blocks.js';
import { bytes, count, ms, percent, status } from '../../output/format.js';
import { bytesText, spanText } from '../../words.js';

type Columns<Line> = Record<string, (line: Line) => Cell>;

/** For a terminal: a table of servers, where the bytes of each are, then what is abnormal. */
export function renderScreen(result: OverviewResult, now: number): Block[] {
  const { servers } = result;
  return [
    table('', serverColumns(now), servers, LEAVE_OUT),
    ...servers.flatMap((server) => details(server, result, now)),
    ...remarks(result),
  ];
}

/** For a pipe: every figure, one line a server and one a database. */
export function renderLines(result: OverviewResult, now: number): Block[] {
  const { servers } = result;
  return [
    table('', { kind: () => 'server', ...serverColumns(now), ...partColumns() }, servers),
    table('', { ...OF_SERVER, ...DATABASE }, databaseLines(servers)),
    ...servers.flatMap((server) => meanings(server, result, now)),
    ...remarks(result),
  ];
}

function table<Line>(
  title: string,
  columns: Columns<Line>,
  lines: readonly Line[],
  optional: readonly string[] = [],
): Block {
  const cells = Object.values(columns);
  const rows = lines.map((line) => cells.map((cell) => cell(line)));
  return { ...(title && { title }), table: { columns: Object.keys(columns), rows, optional } };
}

/** What a narrow terminal does without, the first first. */
const LEAVE_OUT = [
  'peak',
  'role',
  'fragmentation',
  'policy',
  'basis',
  '100 % in',
  'keys',
  'address',
];

function serverColumns(now: number): Columns<ServerMemory> {
  const left = (moment: string | null | undefined): Cell => {
    if (!moment) return null;
    const due = Date.parse(moment) - now;
    return due > 0 ? ms(due) : { value: 0, text: 'reached' };
  };
  return {
    target: ({ target }) => target,
    address: ({ address }) => address,
    status: (server) => status(server.status),
    role: ({ role }) => role,
    used: ({ memory }) => bytes(memory?.used_bytes),
    peak: ({ memory }) => bytes(memory?.peak_bytes),
    limit: ({ memory }) => bytes(memory?.limit_bytes),
    '%': ({ memory }) => percent(memory?.ratio),
    basis: ({ memory }) => memory?.basis,
    policy: ({ memory }) => memory?.policy,
    fragmentation: ({ breakdown }) => breakdown?.fragmentation.ratio,
    keys: ({ keys }) => count(keys),
    '80 % in': ({ trend }) => left(trend?.reaches_80),
    '100 % in': ({ trend }) => left(trend?.reaches_100),
  };
}

/** The parts of a server's memory by their name, in bytes. */
const PARTS: Columns<ServerMemory> = {
  data: ({ breakdown }) => bytes(breakdown?.dataset_bytes),
  overhead: ({ breakdown }) => bytes(breakdown?.overhead_bytes),
  'at start': ({ breakdown }) => bytes(breakdown?.startup_bytes),
  'tables of keys': ({ breakdown }) => bytes(breakdown?.tables_bytes),
  'client buffers': ({ breakdown }) => bytes(breakdown?.clients.normal_bytes),
  'of subscribers': ({ breakdown }) => bytes(breakdown?.clients.pubsub_bytes),
  'replica buffers': ({ breakdown }) => bytes(breakdown?.replication.buffers_bytes),
  'replication backlog': ({ breakdown }) => bytes(breakdown?.replication.backlog_bytes),
  'cluster links': ({ breakdown }) => bytes(breakdown?.cluster_links_bytes),
  'AOF buffers': ({ breakdown: b }) => bytes(sum(b?.aof.buffer_bytes, b?.aof.rewrite_buffer_bytes)),
  scripts: ({ breakdown }) => bytes(breakdown?.scripts.cached_bytes),
  functions: ({ breakdown }) => bytes(breakdown?.scripts.functions_bytes),
  'script engines': ({ breakdown }) => bytes(breakdown?.scripts.vm_bytes),
  'held by the system': ({ breakdown }) => bytes(breakdown?.rss_bytes),
  'lost to fragments': ({ breakdown }) => bytes(breakdown?.fragmentation.allocator_bytes),
  'kept by the allocator': ({ breakdown }) => bytes(breakdown?.fragmentation.kept_bytes),
};
const OF_USED = new Set(['data', 'overhead']);
/** Lines under the one before: a part of it. */
const WITHIN = new Set([
  'at start',
  'tables of keys',
  'client buffers',
  'of subscribers',
  'replica buffers',
  'replication backlog',
  'cluster links',
  'AOF buffers',
  'scripts',
  'functions',
]);

/** What a pipe gets beside the parts. */
function partColumns(): Columns<ServerMemory> {
  return {
    ...PARTS,
    'without ttl': ({ no_ttl }) => count(no_ttl),
    evicted: ({ evicted_keys }) => count(evicted_keys),
    expired: ({ expired_keys }) => count(expired_keys),
    'bytes a day': ({ trend }) => count(trend?.bytes_per_day),
    'bytes a second': ({ rate }) => count(rate?.bytes_per_s),
  };
}

/** Undefined and null where nothing of it is known. */
function sum(...parts: (number | null | undefined)[]): number | null {
  const known = parts.filter((part) => typeof part === 'number');
  return known.length === 0 ? null : known.reduce((all, part) => all + part, 0);
}

function details(server: ServerMemory, result: OverviewResult, now: number): Block[] {
  const { target, address, memory, databases = [] } = server;
  if (!memory) return [];
  const used = memory.used_bytes;
  // The rest lies beside what is used: shares of it would mislead.
  const share = (name: string, value: number) =>
    used && (WITHIN.has(name) || OF_USED.has(name)) ? percent(value / used) : null;
  const rows = Object.entries(PARTS).flatMap(([name, cell]): Cell[][] => {
    const part = cell(server);
    const value = typeof part === 'object' && part ? part.value : null;
    // What is not there takes no line; the first two are what all others belong to.
    if (typeof value !== 'number' || (value === 0 && WITHIN.has(name))) return [];
    return [[WITHIN.has(name) ? `  ${name}` : name, part, share(name, value)]];
  });
  return [
    { title: `${target} ${address}`, table: { columns: ['part', 'bytes', 'of used'], rows } },
    ...(databases.length > 0 ? [table('', DATABASE, databaseLines([server]))] : []),
    { note: '' },
    ...meanings(server, result, now),
    { note: '' },
  ];
}

type DatabaseLine = NonNullable<ServerMemory['databases']>[number] & { server: ServerMemory };

const databaseLines = (servers: readonly ServerMemory[]): DatabaseLine[] =>
  servers.flatMap((server) => (server.databases ?? []).map((db) => ({ ...db, server })));

const OF_SERVER: Columns<DatabaseLine> = {
  kind: () => 'database',
  target: ({ server }) => server.target,
  address: ({ server }) => server.address,
};

const DATABASE: Columns<DatabaseLine> = {
  database: ({ db }) => db,
  keys: ({ keys }) => count(keys),
  'with ttl': ({ expires }) => count(expires),
  'without ttl': ({ no_ttl }) => count(no_ttl),
  'average ttl': ({ avg_ttl_ms }) => ms(avg_ttl_ms),
  'key table': ({ main_table_bytes }) => bytes(main_table_bytes),
  'ttl table': ({ expires_table_bytes }) => bytes(expires_table_bytes),
};

/** In words: the policy, the trend, the rate, what could not be read. */
function meanings(server: ServerMemory, { sample_ms }: OverviewResult, now: number): Block[] {
  const { policy_meaning, memory, rate, missing = [] } = server;
  if (!memory) return [];
  const name = `${server.target} ${server.address}`;
  const counters = `${server.evicted_keys ?? '?'} keys evicted and ${server.expired_keys ?? '?'} expired since it started`;
  return [
    { note: `${name}: policy ${memory.policy ?? 'unknown'}: ${policy_meaning}; ${counters}` },
    { note: `${name}: ${trendText(server, now)}` },
    ...(sample_ms > 0 ? [{ note: `${name}: ${rateText(rate, now)}` }] : []),
    ...missing.map(({ command, reason }): Block => {
      return { note: `${name}: ${command} is not to be had: ${reason}`, tone: 'unknown' };
    }),
  ];
}

function trendText({ trend }: ServerMemory, now: number): string {
  if (!trend) return '';
  const { samples, span_ms, bytes_per_day, reason } = trend;
  const basis = `${samples} samples over ${span_ms > 0 ? spanText(span_ms) : 'no time'}`;
  if (bytes_per_day === null) return `no forecast yet (${reason})`;
  const growth = `${signed(bytes_per_day)} a day by ${basis}`;
  return reason === null ? `${growth}: ${dues(trend, now)}` : `${growth}: no forecast, ${reason}`;
}

function rateText(rate: ServerMemory['rate'], now: number): string {
  if (!rate) return 'no rate: it was restarted in between';
  const { over_ms, bytes_per_s, keys_per_s, evicted, expired } = rate;
  const growth = bytes_per_s === null ? 'unknown' : `${signed(bytes_per_s)}/s`;
  const keys = `${keys_per_s ?? '?'} keys/s, ${evicted ?? '?'} evicted, ${expired ?? '?'} expired`;
  return `now ${growth}, ${keys} (over ${spanText(over_ms)}): ${dues(rate, now)}`;
}

function dues(
  { reaches_80, reaches_100 }: { reaches_80: string | null; reaches_100: string | null },
  now: number,
): string {
  const due = (share: string, moment: string | null) => {
    if (moment === null) return `${share} not within a year`;
    const left = Date.parse(moment) - now;
    return left <= 0 ? `${share} is reached` : `${share} in ${spanText(left)}`;
  };
  return `${due('80 %', reaches_80)}, ${due('100 %', reaches_100)}`;
}

const signed = (value: number) => `${value >= 0 ? '+' : ''}${bytesText(value)}`;

/** What is abnormal and the line that mends it, the worst first. */
function remarks({ servers, unwritable, status: tone }: OverviewResult): Block[] {
  const order = ['critical', 'warn', 'unknown', 'ok'];
  const findings = servers
    .flatMap(({ target, address, findings: all }) =>
      all.map((finding) => ({ name: `${target} ${address}`, ...finding })),
    )
    .toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status));
  return [
    ...findings.flatMap(({ name, status: bad, message, mend }): Block[] => [
      { note: `${bad}: ${name}: ${message}`, tone: bad },
      ...(mend === null ? [] : [{ note: `  ${mend}` }]),
    ]),
    ...(unwritable === null
      ? []
      : [
          { note: `the sample for the trend is not kept: ${unwritable}`, tone: 'unknown' as const },
        ]),
    { note: `${servers.length} ${servers.length === 1 ? 'server' : 'servers'}: ${tone}`, tone },
  ];
}
