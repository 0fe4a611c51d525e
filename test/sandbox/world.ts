import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Outcome, runCli } from '../cli.js';
import { type Ended, startBin } from '../e2e/bin.js';
import { removeFolder } from '../servers/wait.js';

/**
 * A machine of its own for a sandbox: folders for its state and its temporary files, and a look at
 * all that is left in them and of the processes that came from them.
 */
export function makeWorld() {
  const home = mkdtempSync(join(tmpdir(), 'cache-ops-world-'));
  // Like /tmp: Postgres, which is another user when we are root, must get through.
  chmodSync(home, 0o711);
  const temporary = mkdtempSync(join(home, 'tmp-'));
  chmodSync(temporary, 0o711);
  const state = join(home, 'state');
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    XDG_CACHE_HOME: process.env.XDG_CACHE_HOME,
    XDG_STATE_HOME: state,
    TMPDIR: temporary,
  };
  const folder = join(state, 'cache-ops', 'sandbox');
  return {
    home,
    env,
    folder,
    cli: (...argv: string[]): Promise<Outcome> => runCli(argv, { env, cwd: home }),
    start: (...argv: string[]) => startBin(argv, { env, cwd: home }),
    bin: (...argv: string[]): Promise<Ended> => startBin(argv, { env, cwd: home }).ended,
    /** A file beside the sandbox's configuration, such as the one with a password. */
    secret: (name: string) => readFileSync(join(folder, name), 'utf8').trim(),
    /** All that a sandbox may leave: its processes, its files, its folder of the state. */
    left: () => ({
      processes: processesOf(home),
      files: readdirSync(temporary),
      state: existsSync(folder) ? readdirSync(folder) : [],
    }),
    /** Takes the sandbox down, and clears up by force where that fails. */
    async remove(): Promise<void> {
      await runCli(['sandbox', 'down'], { env, cwd: home });
      for (const { pid } of processesOf(home)) process.kill(pid, 'SIGKILL');
      await removeFolder(home);
    },
  };
}

export type World = ReturnType<typeof makeWorld>;

/** What a sandbox that is gone has left: nothing. */
export const NOTHING = { processes: [], files: [], state: [] };

/** The processes that work in a folder, or have its name in their arguments or environment. */
export function processesOf(folder: string): { pid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const [cwd, command, environment, stat] = [
        attempt(() => readlinkSync(`/proc/${pid}/cwd`)),
        attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1')),
        attempt(() => readFileSync(`/proc/${pid}/environ`, 'latin1')),
        attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1')),
      ];
      const found = [cwd, command, environment].some((text) => text.includes(folder));
      const zombie = stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
      return found && !zombie ? [{ pid: Number(pid), command: command.replaceAll('\0', ' ') }] : [];
    });
}

/** Empty for a process that has just ended. */
function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
