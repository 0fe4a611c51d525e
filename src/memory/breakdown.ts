import { databasesIn, type Info, numberIn } from '../redis/info.js';
import type { Reading, Stats } from './reading.js';
import type { Breakdown, DatabaseMemory } from './result.js';

/** Where the bytes are. INFO has nearly all; MEMORY STATS fills in where INFO is refused or older. */
export function breakdownOf({ info, stats, pubsub }: Reading): Breakdown {
  const { figures } = stats;
  const either = (field: string, name: string) => numberIn(info, field) ?? figures[name] ?? null;
  const tables = databaseTables(stats);
  return {
    dataset_bytes: either('used_memory_dataset', 'dataset.bytes'),
    overhead_bytes: either('used_memory_overhead', 'overhead.total'),
    startup_bytes: either('used_memory_startup', 'startup.allocated'),
    tables_bytes: figures['total.allocated'] === undefined ? null : tables,
    clients: {
      normal_bytes: either('mem_clients_normal', 'clients.normal'),
      pubsub_bytes: pubsub,
      connected: numberIn(info, 'connected_clients'),
    },
    replication: {
      backlog_bytes: either('mem_replication_backlog', 'replication.backlog'),
      buffers_bytes: either('mem_clients_slaves', 'clients.slaves'),
    },
    cluster_links_bytes: either('mem_cluster_links', 'cluster.links'),
    scripts: scriptsOf(info, figures),
    aof: {
      buffer_bytes: either('mem_aof_buffer', 'aof.buffer'),
      rewrite_buffer_bytes: numberIn(info, 'aof_rewrite_buffer_length'),
    },
    rss_bytes: numberIn(info, 'used_memory_rss'),
    allocator: {
      name: info.mem_allocator ?? null,
      allocated_bytes: either('allocator_allocated', 'allocator.allocated'),
      active_bytes: either('allocator_active', 'allocator.active'),
      resident_bytes: either('allocator_resident', 'allocator.resident'),
    },
    fragmentation: {
      ratio: either('mem_fragmentation_ratio', 'fragmentation'),
      bytes: either('mem_fragmentation_bytes', 'fragmentation.bytes'),
      allocator_ratio: either('allocator_frag_ratio', 'allocator-fragmentation.ratio'),
      allocator_bytes: either('allocator_frag_bytes', 'allocator-fragmentation.bytes'),
      kept_ratio: either('allocator_rss_ratio', 'allocator-rss.ratio'),
      kept_bytes: either('allocator_rss_bytes', 'allocator-rss.bytes'),
    },
  };
}

/** `used_memory_lua` and one figure for all scripts before Redis 7, several since. */
function scriptsOf(info: Info, figures: Stats['figures']): Breakdown['scripts'] {
  return {
    cached: numberIn(info, 'number_of_cached_scripts'),
    cached_bytes:
      numberIn(info, 'used_memory_scripts_eval') ??
      numberIn(info, 'used_memory_scripts') ??
      figures['lua.caches'] ??
      null,
    functions: numberIn(info, 'number_of_functions'),
    functions_bytes: numberIn(info, 'used_memory_functions') ?? figures['functions.caches'] ?? null,
    vm_bytes: numberIn(info, 'used_memory_vm_total') ?? numberIn(info, 'used_memory_lua'),
  };
}

/** Keys by INFO, their tables by MEMORY STATS; either may be missing. */
export function databasesOf({ info, stats }: Reading): DatabaseMemory[] {
  return databasesIn(info).map(({ db, keys, expires, avg_ttl_ms }) => {
    const tables = stats.databases.get(db);
    return {
      db,
      keys,
      expires,
      no_ttl: Math.max(0, keys - expires),
      // 0 until the server has come by to take the average.
      avg_ttl_ms: expires > 0 && avg_ttl_ms > 0 ? avg_ttl_ms : null,
      main_table_bytes: tables?.['overhead.hashtable.main'] ?? null,
      expires_table_bytes: tables?.['overhead.hashtable.expires'] ?? null,
    };
  });
}

function databaseTables({ databases }: Stats): number {
  let sum = 0;
  for (const tables of databases.values())
    for (const [name, bytes] of Object.entries(tables))
      if (name.startsWith('overhead.hashtable.')) sum += bytes;
  return sum;
}
