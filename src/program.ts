import { Command } from 'commander';
import { type Context, DEFAULT_TIMEOUT, settingsFrom } from './context.js';
import { openDrillWarnings } from './drills/warning.js';
import { printable } from './output/format.js';
import { VERSION } from './version.js';

/** A command's file: `register` adds its arguments, flags, help and action to the prepared command. */
interface CommandFile {
  register(command: Command, context: Context): void;
}

interface Entry {
  name: string;
  summary: string;
  load: () => Promise<CommandFile>;
  hidden?: boolean;
}

/** Every command there is. A command's file is loaded when the command is used, not before. */
export const COMMANDS: readonly Entry[] = [
  {
    name: 'ping',
    summary: 'test the way to Redis stage by stage: DNS, TCP, TLS, AUTH, PING',
    load: () => import('./commands/ping.js'),
  },
  {
    name: 'health',
    summary: 'the whole estate at one glance: Redis, Postgres, queues, applications',
    load: () => import('./commands/health.js'),
  },
  {
    name: 'doctor',
    summary: 'settings audit: what is wrong, why it matters, and the line that mends it',
    load: () => import('./commands/doctor.js'),
  },
  {
    name: 'alert',
    summary: 'thresholds, once or for ever: what fires, who is told, what to do',
    load: () => import('./commands/alert.js'),
  },
  {
    name: 'smoke',
    summary: 'what a CI step runs after a deployment: every cache and every application',
    load: () => import('./commands/smoke.js'),
  },
  {
    name: 'load',
    summary: "the runbook's load test, through an application or straight at Redis",
    load: () => import('./commands/load.js'),
  },
  {
    name: 'drill',
    summary: 'break something on purpose, prove what the applications do, restore it',
    load: () => import('./commands/drill.js'),
  },
  {
    name: 'memory',
    summary: 'where the bytes of every Redis are, when it will be full, and what mends it',
    load: () => import('./commands/memory.js'),
  },
  {
    name: 'queue',
    summary: 'find, read, retry, cancel and clean jobs, of BullMQ and pg-boss',
    load: () => import('./commands/queue.js'),
  },
  {
    name: 'keys',
    summary: 'look keys up by SCAN, show, audit against the rules, remove',
    load: () => import('./commands/keys.js'),
  },
  {
    name: 'task',
    summary: 'split tasks: batches, progress, checkpoints; put failed batches back',
    load: () => import('./commands/task.js'),
  },
  {
    name: 'lock',
    summary: 'locks of the applications: who holds them, release one',
    load: () => import('./commands/lock.js'),
  },
  {
    name: 'execution',
    summary: 'idempotent executions: those under way, those whose process died',
    load: () => import('./commands/execution.js'),
  },
  {
    name: 'cache',
    summary: 'application caches on Redis and in Postgres: statistics, clear, clean, warm',
    load: () => import('./commands/cache.js'),
  },
  {
    name: 'rollout',
    summary: 'the stages of moving to Redis: switches in force, acceptance checks',
    load: () => import('./commands/rollout.js'),
  },
  {
    name: 'migrate',
    summary: 'move task status, sessions and jobs from memory to Redis, and back',
    load: () => import('./commands/migrate.js'),
  },
  {
    name: 'sandbox',
    summary: 'a throwaway estate with real servers on this machine',
    load: () => import('./commands/sandbox.js'),
  },
  {
    name: 'config',
    summary: 'write, show and check the configuration',
    load: () => import('./commands/config.js'),
  },
  {
    name: 'completion',
    summary: 'complete commands, flags and live names in bash, zsh and fish',
    load: () => import('./commands/completion.js'),
  },
  { name: '__complete', summary: '', hidden: true, load: () => import('./commands/complete.js') },
  { name: '__watchdog', summary: '', hidden: true, load: () => import('./commands/watchdog.js') },
];

/** The commander tree. Subcommands inherit the output and error behaviour set here. */
export function buildProgram(context: Context): Command {
  const program = new Command('cache-ops')
    .description("The operator's command line for a Redis and job-queue estate.")
    .version(VERSION, '-V, --version')
    .option('--json', 'one JSON document on stdout (NDJSON for what streams)')
    .option('-q, --quiet', 'no remarks, no progress')
    .option('-c, --config <file>', 'configuration file (default: the nearest cache-ops.yaml)')
    .option('--sandbox', 'use the sandbox that is up')
    .option(
      '--timeout <duration>',
      `longest wait for one answer (default: ${DEFAULT_TIMEOUT / 1_000}s)`,
    )
    .option('--no-color', 'no colours')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      // The help of a topic without its command. With --json run() says it instead.
      writeErr: (text) => {
        if (!program.opts().json) context.stderr.write(text);
      },
      // run() prints the one line of an error itself, after commander has thrown it.
      outputError: () => {},
      getOutHelpWidth: () => Math.min(context.stdout.columns, 100),
      getErrHelpWidth: () => Math.min(context.stderr.columns, 100),
      getOutHasColors: () => context.stdout.isTTY && !context.env.NO_COLOR,
      getErrHasColors: () => context.stderr.isTTY && !context.env.NO_COLOR,
    })
    .addHelpText('after', EXIT_CODES);
  for (const { name, summary, hidden } of COMMANDS) {
    program.command(name, { hidden: hidden === true }).description(summary);
  }
  // commander's own help command would show a command that is not loaded yet, without its flags.
  program
    .command('help [command...]')
    .description('show help of a command')
    .action(async (names: string[]) => {
      const known = names.length === 0 || COMMANDS.some(({ name }) => name === names[0]);
      // An unknown one is refused as it is without `help`, with the nearest name.
      const argv = known ? [...names, '--help'] : names;
      await buildProgram(context).parseAsync(argv, { from: 'user' });
    });
  program.hook('preSubcommand', async (_, command) => {
    const entry = COMMANDS.find(({ name }) => name === command.name());
    if (entry) (await entry.load()).register(command, context);
  });
  program.hook('preAction', (_, command) => {
    context.settings = settingsFrom(command.optsWithGlobals(), context.env);
    if (command.name().startsWith('__')) return;
    for (const warning of openDrillWarnings(context.state)) {
      context.stderr.write(`cache-ops: ${printable(warning)}\n`);
    }
  });
  return program;
}

const EXIT_CODES = `
Exit codes: 0 fine, 1 unexpected failure, 2 usage or configuration, 3 it ran and the answer is bad,
4 partly done, 5 cannot connect, 6 refused by a guard, 7 something is NOT restored,
69 a program it needs is missing, 130 interrupted.
`;
