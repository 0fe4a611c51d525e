// The only file of the command line that touches process.

import { uptime } from 'node:os';
import { CacheOpsError } from './errors.js';
import { type Host, Interrupt, type Io, type Output } from './io.js';
import { report, run } from './run.js';

const controller = new AbortController();
let onHangup: (() => void) | undefined;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (signal === 'SIGHUP' && onHangup) return onHangup();
    // A second Ctrl-C does not wait for a safe point. What is broken on purpose is still
    // restored: by the watchdog, which sees this process end.
    // The watchdog itself restores before it ends, however often it is asked.
    if (controller.signal.aborted && process.argv[2] !== '__watchdog') process.exit(130);
    controller.abort(new Interrupt(signal));
  });
}

/** Why the output could not be written, where that is not a reader who had enough of it. */
let lost: Error | undefined;

/** A stream is opened when it is first used: of stdin, stdout and stderr few commands need all. */
function output(name: 'stdout' | 'stderr'): Output {
  let opened: NodeJS.WriteStream | undefined;
  const stream = () => {
    opened ??= process[name].on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') controller.abort(new Interrupt('EPIPE'));
      else if (name === 'stdout') lost ??= error;
    });
    return opened;
  };
  return {
    write: (text, encoding) => void stream().write(text, encoding),
    drained: () => drained(stream()),
    get isTTY() {
      return stream().isTTY === true;
    },
    get columns() {
      return stream().columns ?? 80;
    },
  };
}

/** Waits for a slow reader; not for one that has gone, nor for a full disk. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  if (!stream.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const ends = ['drain', 'error', 'close'];
    const done = () => {
      for (const end of ends) stream.off(end, done);
      controller.signal.removeEventListener('abort', done);
      resolve();
    };
    for (const end of ends) stream.on(end, done);
    controller.signal.addEventListener('abort', done);
  });
}

const host: Host = {
  pid: process.pid,
  uid: process.getuid?.(),
  execPath: process.execPath,
  entry: process.argv[1] ?? '',
  kill: (pid, signal) => void process.kill(pid, signal),
  exit: (code) => process.exit(code),
  onHangup: (listener) => {
    onHangup = listener;
  },
};

const io: Io = {
  stdout: output('stdout'),
  stderr: output('stderr'),
  stdin: () => process.stdin,
  env: process.env,
  cwd: process.cwd(),
  host,
  signal: controller.signal,
  now: Date.now,
  uptime: () => Math.round(uptime() * 1_000),
};

const argv = process.argv.slice(2);
const code = await run(argv, io);
// Only now is it known whether the last of the output was written, or met a full disk.
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
if (lost) {
  const error = new CacheOpsError('state', `the output could not be written: ${lost.message}`);
  report(error, argv.includes('--json'), io);
}
// Exit rather than wait for the event loop: a socket that closes slowly must not hold the operator.
process.exit(lost ? code || 1 : code);
