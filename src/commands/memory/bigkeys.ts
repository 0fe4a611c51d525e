import type { Command } from 'commander';
import type { Context } from '../../context.js';
import { addPace, type PaceFlags } from '../pace.js';
import { DETAIL } from './shown.js';

export interface BigkeysFlags extends PaceFlags {
  match?: string;
  type?: string;
  db?: string;
  over?: string;
  exact?: boolean;
  sample?: string;
  replica?: boolean;
  top: string;
  depth?: string;
  format?: string;
  list?: string;
  html?: string;
  rdb?: string;
  viaReplication?: boolean;
  resume?: boolean;
}

export function registerBigkeys(topic: Command, context: Context): void {
  const command = topic
    .command('bigkeys')
    .description("every key's size: by prefix, by type, the largest; live or from an RDB file")
    .argument('[target]', 'a Redis of the configuration, or a redis:// URL')
    .option('--match <glob>', 'only keys that match')
    .option('--type <type>', 'only keys of this type: string, list, set, zset, hash, stream')
    .option('--db <n>', 'only this database (default: all)')
    .option('--over <size>', 'only keys of this size at least, such as 10kb')
    .option('--exact', 'look at every element of large keys too, one key at a time')
    .option('--sample <part>', 'only a random part of the keys, such as 1/16')
    .option('--replica', 'read a replica in place of the master');
  addPace(command)
    .option('--top <n>', 'keep so many of the largest keys', '100')
    .option('--depth <n>', `levels of the tree that are shown (default: ${DETAIL.depth})`)
    .option('--format <format>', 'table, tsv, csv or ndjson (default: table; tsv in a pipe)')
    .option('--list <what>', 'what tsv and csv list: groups or keys (default: groups)')
    .option('--html <file>', 'write the report as one HTML page, too')
    .option('--rdb <file>', 'read an RDB file in place of a server; - for stdin')
    .option('--via-replication', 'take the data set as a replica would, and read that')
    .option('--resume', 'go on with the scan of this target that was interrupted')
    .addHelpText(
      'after',
      `
Reads every key by SCAN with several cursors, and asks for type, MEMORY USAGE and time to live.
A second connection measures what other clients wait for: the scan slows down by itself, and it
stops when the server loads, fails over or begins to evict. Ctrl-C shows what has been seen so far.
Ids, hashes and numbers in names are collapsed into {id}. A report is stored: memory reports, show
and diff work on it.

Sizes are within about 1 % of the truth; of an RDB file and over replication they are calculated.
SCAN makes a master delete keys that have expired already; nothing else is changed. The server forks
for --via-replication as it does for BGSAVE; where repl-diskless-sync is off it rewrites its dump file,
which is said before. --replica: of a cluster one replica of each master.

Exit 0; 4 when the report is partial (the scan stopped, a file is broken); 5 when the target cannot
be reached; 130 interrupted.

Examples:
  $ cache-ops memory bigkeys
  $ cache-ops memory bigkeys main --duty 25% --replica      in the middle of the day
  $ cache-ops memory bigkeys main --sample 1/16             a first look within a second
  $ cache-ops memory bigkeys --rdb dump.rdb --html dump.html
  $ cache-ops memory bigkeys main --over 10kb --format csv --list keys > big.csv`,
    )
    .action(async (target: string | undefined, flags: BigkeysFlags) => {
      const { runBigkeys } = await import('./bigkeys-run.js');
      await runBigkeys(context, target, flags);
    });
}
