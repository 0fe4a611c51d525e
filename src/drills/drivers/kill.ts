import { resolve } from 'node:path';
import type { WorkerControl } from '../../config/control.js';
import { codeOf } from '../../errors.js';
import { identify, programOf } from '../../state/identity.js';
import type { WayOf } from '../faults/fault.js';
import { findProcess, lookout } from '../faults/kill.js';
import { askShell } from '../faults/shell.js';
import { composeWords } from './compose.js';
import { demandReturn } from './docker.js';
import type { Subject } from './driver.js';
import { kubectlWords } from './kubernetes.js';
import { quote, refused, rehearseShell } from './rehearse.js';
import { sshWords } from './ssh.js';
import { demandActive, startTimer } from './systemd.js';

type World = Pick<Subject, 'cwd' | 'env' | 'host' | 'limits' | 'prefix'>;
type Kill = Omit<WayOf<'kill'>, 'kind'>;
type Killers = {
  [K in keyof WorkerControl]-?: (
    control: NonNullable<WorkerControl[K]>,
    world: World,
  ) => Promise<Kill>;
};

/** How each way of `control` kills a worker: at once, as kill -9 does. Changes nothing; throws `refused`. */
const KILLERS: Killers = {
  async process({ pidFile, port, start }, { cwd, host }) {
    const lair = port === undefined ? { pidFile: resolve(cwd, pidFile ?? '') } : { port };
    const where = 'port' in lair ? `port ${port}` : lair.pidFile;
    const pid = findProcess(lair, cwd);
    const identity = pid === undefined ? undefined : identify(pid);
    const program = pid === undefined ? undefined : programOf(pid);
    if (!identity || !program)
      throw refused(`there is no process of ${where}`, 'is it running? nothing was broken');
    try {
      host.kill(identity.pid, 0);
    } catch (error) {
      throw refused(
        `process ${pid} may not be killed by this user (${codeOf(error)})`,
        'run the drill as the user that runs the worker',
      );
    }
    return { victim: { ...identity, program, lair }, start, all: false };
  },
  async command({ kill, alive, start }) {
    return { victim: { kill, alive }, start, all: false };
  },
  async docker({ container }, world) {
    await demandReturn(container, world);
    const name = quote(container);
    return {
      victim: {
        kill: `docker kill --signal KILL ${name}`,
        alive: `docker inspect --type container --format '{{.State.Status}}' ${name} | grep -qx running`,
      },
      // The engine takes a kill for a stop: its restart policy does not bring it back.
      start: `docker start ${name}`,
      all: false,
    };
  },
  async compose(control) {
    const compose = composeWords(control);
    const { service } = control;
    return {
      victim: {
        kill: compose('kill', '-s', 'SIGKILL', service),
        alive: `${compose('ps', '--services', '--status', 'running')} | grep -qxF ${quote(service)}`,
      },
      start: compose('start', service),
      all: true,
    };
  },
  async systemd(control, world) {
    const { systemctl } = await demandActive(control, world);
    const { arm, disarm } = startTimer(control, world);
    const { unit } = control;
    return {
      victim: {
        kill: `${arm} && ${systemctl('kill', '--signal=SIGKILL', unit)}`,
        alive: systemctl('is-active', '--quiet', unit),
      },
      start: `${systemctl('start', unit)} && { ${disarm} || true; }`,
      all: false,
    };
  },
  async kubernetes(control, { cwd, env }) {
    const kubectl = kubectlWords(control);
    const { workload } = control;
    const ask = (question: string) =>
      askShell(question, { cwd, env }).catch((error: Error) => {
        throw refused(`kubectl cannot kill ${workload}: ${error.message}`, `try: ${question}`);
      });
    const selector = selectorOf(
      await ask(kubectl('get', workload, '-o', 'jsonpath={.spec.selector.matchLabels}')),
    );
    if (!selector) throw refused(`${workload} selects its pods by no label`, 'nothing was broken');
    const kill = ['delete', 'pod', '-l', selector, '--grace-period=0', '--force'];
    // The server checks the rights, and changes nothing.
    await ask(kubectl(...kill, '--dry-run=server'));
    return {
      victim: {
        kill: kubectl(...kill),
        alive: `${kubectl('get', workload, '-o', 'jsonpath={.status.readyReplicas}')} | grep -q '[1-9]'`,
      },
      // Its controller makes new pods.
      start: undefined,
      all: true,
    };
  },
  async ssh({ host, kill, alive, start }, { cwd, env }) {
    const remote = sshWords(host);
    const commands = [kill, alive, ...(start === undefined ? [] : [start])];
    const check = remote(commands.map((each) => `sh -n -c ${quote(each)}`).join(' && '));
    await askShell(check, { cwd, env }).catch((error: Error) => {
      throw refused(`cannot run commands on ${host}: ${error.message}`, `try: ${check}`);
    });
    return {
      victim: { kill: remote(kill), alive: remote(alive) },
      start: start === undefined ? undefined : remote(start),
      all: false,
    };
  },
};

/** How the worker `name` is killed and started again, rehearsed. Throws `refused` when it is not there. */
export async function chooseKill(
  name: string,
  control: WorkerControl,
  world: World,
): Promise<WayOf<'kill'>> {
  const [kind, given] = Object.entries(control)[0] as [keyof WorkerControl, never];
  const { victim, start, all } = await KILLERS[kind](given, world);
  if ('kill' in victim)
    for (const command of [victim.kill, victim.alive]) await rehearseShell(command, world);
  if (start !== undefined) await rehearseShell(start, world);
  if (!(await lookout(victim, world)()))
    throw refused(`${name} is not there: nothing could be killed`, 'nothing was broken');
  return { kind: 'kill', victim, ...(start !== undefined && { start }), all };
}

/** The labels of a workload as `-l` takes them; empty where there are none. */
function selectorOf(labels: string): string {
  try {
    return Object.entries(JSON.parse(labels) as Record<string, string>)
      .map(([label, value]) => `${label}=${value}`)
      .join(',');
  } catch {
    return '';
  }
}
