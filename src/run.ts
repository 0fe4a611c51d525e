import { CommanderError } from 'commander';
import { createContext } from './context.js';
import { CacheOpsError, ExitCode, messageOf } from './errors.js';
import { Interrupt, type Io } from './io.js';
import { printable, json as toJson } from './output/format.js';
import { buildProgram } from './program.js';
import { VERSION } from './version.js';

/** Runs one command line and returns its exit code. The only place that catches everything. */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  try {
    const context = createContext(io);
    await buildProgram(context).parseAsync(argv, { from: 'user' });
    io.signal.throwIfAborted();
    return context.exitCode;
  } catch (error) {
    return report(error, argv.includes('--json'), io);
  }
}

/** Says what went wrong on stderr; returns the exit code. */
export function report(error: unknown, json: boolean, io: Io): ExitCode {
  // A command that knows better than "interrupted" (7: not restored) throws its own error.
  if (io.signal.aborted && !(error instanceof CacheOpsError && error.code === 'not_restored')) {
    const reason: unknown = io.signal.reason;
    if (reason instanceof Interrupt && reason.cause === 'EPIPE') return ExitCode.ok;
    print({ code: 'interrupted', message: messageOf(reason) }, json, io);
    return ExitCode.interrupted;
  }
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return ExitCode.ok;
    // A topic without its command: commander has printed the topic's help, except with --json.
    if (error.code === 'commander.help') {
      if (json)
        print({ code: 'usage', message: 'a command is missing', hint: 'see --help' }, json, io);
      return ExitCode.usage;
    }
    const [message, hint] = error.message.replace(/^error: /, '').split('\n');
    print(
      { code: 'usage', message: message ?? '', hint: hint?.replace(/^\((.*)\)$/, '$1') },
      json,
      io,
    );
    return ExitCode.usage;
  }
  if (error instanceof CacheOpsError) {
    print({ code: error.code, message: error.message, hint: error.hint }, json, io);
    return error.exit;
  }
  const fault = `this is a fault of cache-ops ${VERSION}; please report it`;
  if (json) {
    const hint = `${fault} with what it prints without --json`;
    print({ code: 'unexpected', message: messageOf(error), hint }, json, io);
    return ExitCode.failure;
  }
  print({ code: 'unexpected', message: messageOf(error) }, json, io);
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  io.stderr.write(
    stack
      .split('\n')
      .map((line) => `${printable(line)}\n`)
      .join(''),
  );
  io.stderr.write(`${fault} with the lines above\n`);
  return ExitCode.failure;
}

interface Failure {
  code: string;
  message: string;
  hint?: string | undefined;
}

function print({ code, message, hint }: Failure, json: boolean, io: Io): void {
  if (json) {
    io.stderr.write(`${toJson({ error: { code, message, ...(hint && { hint }) } })}\n`);
    return;
  }
  io.stderr.write(`cache-ops: ${printable(message)}\n`);
  if (hint) io.stderr.write(`  hint: ${printable(hint)}\n`);
}
