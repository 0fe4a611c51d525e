// The only file of the command line that touches process.
import { type Host, Interrupt, type Io, type Output } from './io.js';
import { run } from './run.js';

const controller = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A second Ctrl-C does not wait for a safe point. What is broken on purpose is still
    // restored: by the watchdog, which sees this process end.
    // The watchdog itself restores before it ends, however often it is asked.
    if (controller.signal.aborted && process.argv[2] !== '__watchdog') process.exit(130);
    controller.abort(new Interrupt(signal));
  });
}

function output(stream: NodeJS.WriteStream): Output {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    controller.abort(new Interrupt('EPIPE'));
  });
  return {
    write: (text) => void stream.write(text),
    isTTY: stream.isTTY === true,
    get columns() {
      return stream.columns ?? 80;
    },
  };
}

const host: Host = {
  pid: process.pid,
  uid: process.getuid?.(),
  execPath: process.execPath,
  entry: process.argv[1] ?? '',
  kill: (pid, signal) => void process.kill(pid, signal),
  exit: (code) => process.exit(code),
};

const io: Io = {
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  stdin: process.stdin,
  env: process.env,
  cwd: process.cwd(),
  host,
  signal: controller.signal,
  now: Date.now,
};

// Exit rather than wait for the event loop: a socket that closes slowly must not hold the operator.
process.exit(await run(process.argv.slice(2), io));
