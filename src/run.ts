import { CommanderError } from 'commander';
import { createContext } from './context.js';
import { CacheOpsError, ExitCode, messageOf } from './errors.js';
import { Interrupt, type Io } from './io.js';
import { printable } from './output/format.js';
import { buildProgram } from './program.js';
import { VERSION } from './version.js';

/** Runs one command line and returns its exit code. The only place that catches everything. */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  const context = createContext(io);
  try {
    await buildProgram(context).parseAsync(argv, { from: 'user' });
    io.signal.throwIfAborted();
    return context.exitCode;
  } catch (error) {
    return report(error, argv.includes('--json'), io);
  }
}

function report(error: unknown, json: boolean, io: Io): ExitCode {
  // A command that knows better than "interrupted" (7: not restored) throws its own error.
  if (io.signal.aborted && !(error instanceof CacheOpsError && error.code === 'not_restored')) {
    const reason: unknown = io.signal.reason;
    if (reason instanceof Interrupt && reason.cause === 'EPIPE') return ExitCode.ok;
    print({ code: 'interrupted', message: messageOf(reason) }, json, io);
    return ExitCode.interrupted;
  }
  // commander has printed its help or its one line already, except with --json.
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return ExitCode.ok;
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
  print({ code: 'unexpected', message: messageOf(error) }, json, io);
  if (!json && error instanceof Error) io.stderr.write(`${error.stack ?? ''}\n`);
  io.stderr.write(
    json
      ? ''
      : `cache-ops ${VERSION}: this is a fault of the tool. Please report the lines above.\n`,
  );
  return ExitCode.failure;
}

interface Failure {
  code: string;
  message: string;
  hint?: string | undefined;
}

function print({ code, message, hint }: Failure, json: boolean, io: Io): void {
  if (json) {
    io.stderr.write(`${JSON.stringify({ error: { code, message, ...(hint && { hint }) } })}\n`);
    return;
  }
  io.stderr.write(`cache-ops: ${printable(message)}\n`);
  if (hint) io.stderr.write(`  hint: ${printable(hint)}\n`);
}
