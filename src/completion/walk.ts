import type { Argument, Command, Option } from 'commander';
import type { Context } from '../context.js';
import { COMMANDS } from '../program.js';

/** Kinds of names that only the configuration or the servers know. */
export type LiveKind = 'redis' | 'postgres' | 'applications' | 'workers' | 'queues';

export interface Candidate {
  value: string;
  about: string;
}

/** What may stand at the end of a command line. */
export interface Wanted {
  candidates: Candidate[];
  live?: LiveKind;
  /** The shell's own file names belong here. */
  files?: boolean;
  /** The beginning of the word that is certain: `--queue=`. */
  before?: string;
  /** The flags that say where the configuration is. */
  config?: string;
  sandbox?: boolean;
}

/** A place in the tree of commands, reached by the words before the last. */
interface Spot {
  command: Command;
  /** How many arguments have been given. */
  given: number;
  used: Set<Option>;
  /** The option whose value comes next. */
  pending: Option | undefined;
  /** After `--` nothing is a flag. */
  ended: boolean;
  config?: string;
  sandbox: boolean;
}

/** Follows the words through the commands, and says what the last one may become. */
export async function wantedAt(
  program: Command,
  context: Context,
  words: readonly string[],
): Promise<Wanted> {
  const help = words.length > 1 && words[0] === 'help';
  const spot = await reach(program, context, words.slice(help ? 1 : 0, -1));
  if (help) return { candidates: subcommands(spot) };
  const current = words.at(-1) ?? '';
  const from = { sandbox: spot.sandbox, ...(spot.config !== undefined && { config: spot.config }) };
  if (spot.pending && !current.startsWith('-')) return { ...from, ...valuesOf(spot.pending) };
  if (!spot.ended && current.startsWith('-')) {
    const [flag, value] = cut(current);
    const option = value === undefined ? undefined : findOption(spot.command, flag);
    if (option) return { ...from, ...valuesOf(option), before: `${flag}=` };
    return { candidates: flags(spot) };
  }
  const { registeredArguments } = spot.command;
  const argument = registeredArguments[spot.given] ?? registeredArguments.at(-1);
  const fits = argument && (spot.given < registeredArguments.length || argument.variadic);
  const values = fits ? valuesOf(argument) : { candidates: [] };
  return { ...from, ...values, candidates: [...subcommands(spot), ...values.candidates] };
}

async function reach(program: Command, context: Context, words: readonly string[]): Promise<Spot> {
  const spot: Spot = {
    command: program,
    given: 0,
    used: new Set(),
    pending: undefined,
    ended: false,
    sandbox: false,
  };
  for (const word of words) {
    if (!spot.ended && word.startsWith('-')) takeFlag(spot, word);
    else if (spot.pending) takeValue(spot, spot.pending, word);
    else await takeWord(spot, context, word);
  }
  return spot;
}

function takeFlag(spot: Spot, word: string): void {
  spot.ended = word === '--';
  const [flag, value] = cut(word);
  const option = findOption(spot.command, flag);
  spot.pending = undefined;
  if (!option) return;
  spot.used.add(option);
  if (option.attributeName() === 'sandbox') spot.sandbox = true;
  if (value !== undefined) takeValue(spot, option, value);
  if (value === undefined || option.variadic)
    spot.pending = option.required || option.optional ? option : undefined;
}

function takeValue(spot: Spot, option: Option, value: string): void {
  if (option.attributeName() === 'config') spot.config = value;
  if (!option.variadic) spot.pending = undefined;
}

/** A word that is no flag: a command of the topic, or an argument. Loads the command, as running it would. */
async function takeWord(spot: Spot, context: Context, word: string): Promise<void> {
  const next = spot.command.commands.find(
    (command) => command.name() === word || command.aliases().includes(word),
  );
  if (!next || spot.given > 0) {
    spot.given += 1;
    return;
  }
  const entry = spot.command.parent ? undefined : COMMANDS.find(({ name }) => name === next.name());
  if (entry) (await entry.load()).register(next, context);
  spot.command = next;
}

function subcommands({ command, given }: Spot): Candidate[] {
  if (given > 0) return [];
  return command
    .createHelp()
    .visibleCommands(command)
    .map((sub) => ({ value: sub.name(), about: sub.description() }));
}

function flags({ command, used }: Spot): Candidate[] {
  return optionsOf(command)
    .filter((option) => option.variadic || !used.has(option))
    .map(({ long, short, description }) => ({ value: long ?? short ?? '', about: description }));
}

function optionsOf(command: Command): Option[] {
  const help = command.createHelp();
  return [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)];
}

function findOption(command: Command, flag: string): Option | undefined {
  return optionsOf(command).find(({ long, short }) => long === flag || short === flag);
}

/** `--queue=mail` as its flag and its value. */
function cut(word: string): [flag: string, value: string | undefined] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

/**
 * Names of flags and arguments that stand for live names. Not `--confirm`: it is to be typed.
 */
const LIVE: Record<string, LiveKind> = {
  target: 'redis',
  redis: 'redis',
  postgres: 'postgres',
  app: 'applications',
  application: 'applications',
  queue: 'queues',
  worker: 'workers',
};

function valuesOf(taker: Option | Argument): Wanted {
  const name = 'flags' in taker ? taker.attributeName() : taker.name();
  const placeholder = 'flags' in taker ? (/[<[]([\w-]+)/.exec(taker.flags)?.[1] ?? '') : name;
  const live = LIVE[name];
  return {
    candidates: (taker.argChoices ?? []).map((value) => ({ value, about: '' })),
    files: /^(file|folder|path)$/.test(placeholder),
    ...(live && { live }),
  };
}
