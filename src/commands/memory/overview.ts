import { type Command, CommanderError } from 'commander';
import { closestMatch } from 'leven';
import type { Context } from '../../context.js';
import { runOverview } from './overview-run.js';

export interface OverviewFlags {
  sample?: string;
  strict?: boolean;
}

/** `memory` itself. To be called when its subcommands are there. */
export function registerOverview(command: Command, context: Context): void {
  command.helpCommand(true);
  // commander would take the flags of a subcommand for those of the topic where names are the same.
  const [, word] = command.parent?.args ?? [];
  if (command.commands.some((sub) => sub.name() === word)) return;
  explainMistypes(command);
  command
    .argument('[target...]', 'names from the configuration, or redis:// URLs (default: all)')
    .option('--sample <duration>', 'look twice, so far apart, for a rate of growth (such as 30s)')
    .option('--strict', 'exit 3 for a warning too')
    .addHelpText(
      'after',
      `
Every Redis behind a target: use and peak against the limit, data and overhead, fragmentation,
buffers of clients, replicas and the AOF, scripts, the databases; what the eviction policy means
for the keys that are here; what is abnormal, with the line that mends it.
The limit is maxmemory, else the configured capacity, else that of the server's control group
(where it runs on this machine beyond doubt), else all memory of its host.

Each run keeps a sample in the state folder. From four samples over half an hour on, it says
when 80 and 100 % of the limit will be reached. Nothing is written to Redis.

In a pipe, tab-separated: "server" lines and "database" lines; findings go to stderr.
Exit 3 when anything is critical (a server of a target is down, over 90 %), with --strict also
for a warning; 5 when a target cannot be reached.

Examples:
  $ cache-ops memory                             every Redis of the estate
  $ cache-ops memory main --sample 30s           and how fast it grows now
  $ cache-ops memory --json | jq '.servers[].trend.reaches_80'
  $ cache-ops memory capacity --item results=1000x50kb --item checks=1000x5kb`,
    )
    .action(async (targets: string[], flags: OverviewFlags) => {
      const commands = command.commands.map((sub) => sub.name());
      await runOverview(context, { targets, commands, flags });
    });
}

/** `memory capcity --item ...`: a mistyped command is taken for a target, and then its flags are unknown. */
function explainMistypes(command: Command): void {
  command.exitOverride((error) => {
    const [name] = command.args;
    const names = command.commands.map((sub) => sub.name());
    const meant =
      error.code === 'commander.unknownOption' && name && !name.startsWith('-')
        ? closestMatch(name, names, { maxDistance: Math.max(2, Math.floor(name.length / 3)) })
        : undefined;
    if (meant === undefined) throw error;
    const message = `unknown command '${name}'\n(Did you mean ${command.name()} ${meant}?)`;
    throw new CommanderError(1, 'commander.unknownCommand', message);
  });
}
