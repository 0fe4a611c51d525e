import type { ControlConfig } from '../../config/control.js';
import { askShell } from '../faults/shell.js';
import { twoCommands } from './command.js';
import type { Driver } from './driver.js';
import { quote, refused } from './rehearse.js';

/**
 * Another machine, by commands over ssh. Before it is stopped a timer is armed on the far side that
 * starts it again: should the network between go, nobody here could.
 */
export function sshDriver({ host, stop, start }: NonNullable<ControlConfig['ssh']>): Driver {
  const remote = sshWords(host);
  return {
    name: 'ssh',
    async stop(subject) {
      const { cwd, env, limits, prefix } = subject;
      const check = remote(`sh -n -c ${quote(stop)} && sh -n -c ${quote(start)}`);
      await askShell(check, { cwd, env }).catch((error: Error) => {
        throw refused(`cannot run commands on ${host}: ${error.message}`, `try: ${check}`);
      });
      const file = `/tmp/cache-ops-drill-${prefix.split('-').at(-1)}.pid`;
      const wait = Math.ceil(limits.deadline / 1_000);
      const timer = `nohup setsid sh -c ${quote(`sleep ${wait}; ${start}; rm -f ${file}`)} >/dev/null 2>&1 </dev/null & echo $! >${file}`;
      // A negative pid is the session of the timer: its sleep and its shell.
      const disarm = `{ [ -f ${file} ] && kill -- -"$(cat ${file})"; rm -f ${file}; } 2>/dev/null || true`;
      return twoCommands(remote(`${timer}; ${stop}`), remote(`${start} && ${disarm}`), subject);
    },
  };
}

/** A command line that runs a command on another machine, and never asks. */
export function sshWords(host: string): (command: string) => string {
  const words = ['ssh', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=5', host, '--'];
  return (command) => [...words, command].map(quote).join(' ');
}
