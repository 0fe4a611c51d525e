import type { Command } from 'commander';
import type { Context } from '../../context.js';

export interface KeyFlags {
  target?: string;
  db?: string;
  base64?: boolean;
  exact?: boolean;
  limit: string;
  within: string;
  top: string;
  content: boolean;
}

export function registerKey(topic: Command, context: Context): void {
  topic
    .command('key')
    .description('one key in depth: encoding, memory, time to live, its largest elements')
    .argument('<key>', 'its name')
    .option('-t, --target <target>', 'the Redis that has it (default: all are asked)')
    .option('--db <n>', 'in this database instead of the one that is configured')
    .option('--base64', 'the key is given as base64, as key_base64 of a report has it')
    .option('--exact', 'memory by all elements, not by a sample: 200,000 hold the server for 20 ms')
    .option('-n, --limit <n>', 'look at so many elements at most; 0: all', '100000')
    .option('--within <duration>', 'and for so long at most', '5s')
    .option('--top <n>', 'name so many of the largest elements', '10')
    .option('--no-content', 'show no values')
    .addHelpText(
      'after',
      `
Reads only, in small steps. Memory is by MEMORY USAGE with 2,000 samples; elements are walked with
HSCAN, SSCAN, ZSCAN, LRANGE or XRANGE, and it is said when not all of them were. On a cluster the
owner of the key's slot is asked. Idle time, frequency and memory are read first, as that does not
count as an access. Reading the elements does, before Redis 7.2: the idle time then starts anew,
and "touched" says so.

In a pipe each line begins with what it is: field, element, size (of a histogram) or content.
A key that is no valid UTF-8 is given with --base64. For one with a line break or a tab the shell
has a way to write it: $'a\\nb'.
Exit 2 when there is no such key; 4 when it was found, but a target could not be asked; 5 when
it was not found and one could not.

Examples:
  $ cache-ops memory key asl:llm:5f2a
  $ cache-ops memory key bull:mail:events --target main --top 20
  $ cache-ops memory key --base64 /wD+ --json | jq '.found[].bytes'`,
    )
    .action(async (key: string, flags: KeyFlags) => {
      const { runKey } = await import('./key-run.js');
      await runKey(context, key, flags);
    });
}
