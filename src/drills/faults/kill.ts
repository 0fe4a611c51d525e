import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.js';
import { type Identity, identify, isAlive, programOf, signalTo } from '../../state/identity.js';
import type { Actor, Breaker } from './breaker.js';
import type { Lair, WayOf } from './fault.js';
import { waitFor } from './liveness.js';
import { askShell, launch, runShell, type ShellOptions } from './shell.js';

/** Longest time for a kill to be carried out, and for a worker to be there after its start. */
const KILL_LIMIT = 30_000;
const START_LIMIT = 60_000;
/** A start that did not help is tried again after this; a supervisor is given as long before it. */
const START_AGAIN = 3_000;

/** kill -9 of a worker: it cannot say goodbye, give back its work, or save where it is. */
export const killBreaker: Breaker<WayOf<'kill'>> = {
  async inject({ cwd }, { victim }, { host, env, log }) {
    if ('kill' in victim) await runShell(victim.kill, { cwd, env, log }, KILL_LIMIT);
    else {
      if (!signalTo(host, victim, 'SIGKILL'))
        throw new Error(`process ${victim.pid} was gone already`);
      await waitFor(
        async () => !isAlive(victim),
        KILL_LIMIT,
        () => `process ${victim.pid} does not end`,
      );
    }
    return undefined;
  },
  async restore({ cwd }, way, actor, settled) {
    const { env } = actor;
    const there = lookout(way.victim, { cwd, env });
    // A kill that is still on its way is waited for: who is about to end is there yet.
    const deadline = performance.now() + START_AGAIN;
    while (!settled && performance.now() < deadline && (await there())) await sleep(50);
    await startAgain(way, there, cwd, actor);
  },
  words: ({ victim, start, all }) => ({
    breaks: `${'kill' in victim ? victim.kill : `SIGKILL to process ${victim.pid}`}${all ? ' (all its replicas die at once)' : ''}`,
    mends: start ?? 'nothing: its supervisor starts it again',
  }),
};

async function startAgain(
  { start }: WayOf<'kill'>,
  there: () => Promise<boolean>,
  cwd: string,
  { env, log }: Actor,
): Promise<void> {
  let launched = Number.NEGATIVE_INFINITY;
  let failure = '';
  await waitFor(
    async () => {
      if (await there()) return true;
      if (start === undefined || performance.now() - launched < START_AGAIN) return false;
      launched = performance.now();
      const child = launch(start, { cwd, env, log });
      child.once('error', (error) => {
        failure = `: ${messageOf(error)}`;
      });
      child.once('exit', (code) => {
        if (code) failure = `: the start command ended with exit code ${code}`;
      });
      return false;
    },
    START_LIMIT,
    () =>
      start === undefined
        ? `nobody has started it again within ${START_LIMIT / 1_000} s, and control has no start`
        : `it is not there after its start${failure}`,
  );
}

/**
 * Asks whether the worker is there: the one that was killed, or one in its place. A process that was
 * found once is known again, which is a cheap question.
 */
export function lookout(
  victim: WayOf<'kill'>['victim'],
  { cwd, env }: Pick<ShellOptions, 'cwd' | 'env'>,
): () => Promise<boolean> {
  if ('alive' in victim)
    return () =>
      askShell(victim.alive, { cwd, env }).then(
        () => true,
        () => false,
      );
  let known: Identity | undefined = victim;
  return async () => {
    if (known && isAlive(known)) return true;
    const pid = findProcess(victim.lair, cwd);
    // A file may outlive its process, and the number go to another program.
    known = pid !== undefined && programOf(pid) === victim.program ? identify(pid) : undefined;
    return known !== undefined;
  };
}

/** The process that a file names, or that listens on a port of this machine; undefined where there is none. */
export function findProcess(lair: Lair, cwd: string): number | undefined {
  if ('port' in lair) return listenerOf(lair.port);
  try {
    const pid = Number.parseInt(readFileSync(resolve(cwd, lair.pidFile), 'utf8'), 10);
    return identify(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** proc(5): state 0A is LISTEN, and the tenth field the inode of the socket. */
function listenerOf(port: number): number | undefined {
  let tables: string;
  try {
    tables = readFileSync('/proc/net/tcp', 'latin1');
  } catch {
    return listenerByLsof(port);
  }
  try {
    tables += readFileSync('/proc/net/tcp6', 'latin1');
  } catch {
    // No IPv6 here.
  }
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const sockets = new Set(
    tables.split('\n').flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[1]?.endsWith(wanted) && fields[3] === '0A' ? [`socket:[${fields[9]}]`] : [];
    }),
  );
  if (sockets.size === 0) return undefined;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => {
      try {
        const folder = `/proc/${pid}/fd`;
        return readdirSync(folder).some((fd) => sockets.has(readlinkSync(`${folder}/${fd}`)));
      } catch {
        return false;
      }
    });
}

function listenerByLsof(port: number): number | undefined {
  try {
    const out = execFileSync('lsof', ['-nP', '-t', `-iTCP:${port}`, '-sTCP:LISTEN'], {
      encoding: 'utf8',
      timeout: 5_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number.parseInt(out, 10) || undefined;
  } catch {
    return undefined;
  }
}
