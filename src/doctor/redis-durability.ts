import { numberIn } from '../redis/info.js';
import { spanText } from '../words.js';
import type { RedisFacts } from './redis-facts.js';
import { type Advised, advise, type Check } from './result.js';

/** What is left after a restart or a crash. */
export const DURABILITY_CHECKS: readonly Check<RedisFacts>[] = [
  appendOnly,
  snapshots,
  sync,
  lastWrites,
  replicaWrites,
];

const isQueue = ({ roles }: RedisFacts) => roles.includes('queue');

function appendOnly(facts: RedisFacts): Advised[] {
  if (facts.info.aof_enabled !== '0') return [];
  return [
    advise(isQueue(facts) ? 'critical' : 'warn', 'aof', {
      message: 'the append-only file is off',
      why: isQueue(facts)
        ? 'a crash loses the jobs since the last snapshot, or all of them'
        : 'a restart loses what was written since the last snapshot: task status and sessions too',
      mend: 'CONFIG SET appendonly yes',
    }),
  ];
}

function snapshots({ config }: RedisFacts): Advised[] {
  if (config.save !== '') return [];
  return [
    advise('warn', 'rdb', {
      message: 'no snapshots are taken',
      why: 'a snapshot is what a backup is made of, and what is left when the append-only file is damaged',
      mend: 'CONFIG SET save "3600 1 300 100 60 10000"',
    }),
  ];
}

function sync({ info, config }: RedisFacts): Advised[] {
  if (info.aof_enabled !== '1' || config.appendfsync !== 'no') return [];
  return [
    advise('warn', 'appendfsync', {
      message: 'the append-only file is synced when the system likes',
      why: 'a power failure may lose half a minute of writes; with everysec it is one second',
      mend: 'CONFIG SET appendfsync everysec',
    }),
  ];
}

function lastWrites({ info, config }: RedisFacts): Advised[] {
  const findings: Advised[] = [];
  if (info.aof_last_write_status === 'err' || info.aof_last_bgrewrite_status === 'err')
    findings.push(
      advise('critical', 'aof', {
        message: 'the last write or rewrite of the append-only file failed',
        why: 'what is written now may not survive: look at the disk and the log',
        mend: 'BGREWRITEAOF   (when the disk has room again)',
      }),
    );
  if (info.rdb_last_bgsave_status === 'err')
    findings.push(
      advise('critical', 'rdb', {
        message: 'the last snapshot failed',
        why: 'with stop-writes-on-bgsave-error writes are refused; without it, backups are old',
        mend: 'BGSAVE   (when disk and memory have room again)',
      }),
    );
  const changes = numberIn(info, 'rdb_changes_since_last_save') ?? 0;
  const saved = numberIn(info, 'rdb_last_save_time');
  const clock = numberIn(info, 'server_time_usec');
  const age = saved && clock ? clock / 1_000 - saved * 1_000 : 0;
  if (config.save && changes > 10_000 && age > 2 * 86_400_000)
    findings.push(
      advise('warn', 'rdb', {
        message: `the last snapshot is ${spanText(age)} old, with ${changes} changes since`,
        why: 'the rules of "save" never apply: a backup made of it is that old',
        mend: 'BGSAVE',
      }),
    );
  return findings;
}

function replicaWrites({ info, config }: RedisFacts): Advised[] {
  if (info.role !== 'slave' || config['replica-read-only'] !== 'no') return [];
  return [
    advise('warn', 'replica', {
      message: 'this replica takes writes',
      why: 'they are not on the master, and go at the next synchronisation',
      mend: 'CONFIG SET replica-read-only yes',
    }),
  ];
}
