import type { ControlConfig } from '../../config/control.js';
import { askShell } from '../faults/shell.js';
import { twoCommands } from './command.js';
import type { Driver, Subject } from './driver.js';
import { quote, refused } from './rehearse.js';

type Systemd = NonNullable<ControlConfig['systemd']>;

/**
 * A unit of systemd on this machine. A timer that starts it again is armed before it is stopped:
 * it is systemd's own, and needs nobody of ours.
 */
export function systemdDriver(control: Systemd): Driver {
  const { unit } = control;
  return {
    name: 'systemd',
    async stop(subject) {
      const { systemctl } = await demandActive(control, subject);
      const { arm, disarm } = startTimer(control, subject);
      return twoCommands(
        `${arm} && ${systemctl('stop', unit)}`,
        `${systemctl('start', unit)} && { ${disarm} || true; }`,
        subject,
      );
    },
    async hang(subject) {
      const { systemctl } = await demandActive(control, subject);
      return twoCommands(
        systemctl('kill', '--signal=SIGSTOP', unit),
        systemctl('kill', '--signal=SIGCONT', unit),
        subject,
      );
    },
  };
}

const words = ({ user }: Systemd, program: string) => [program, ...(user ? ['--user'] : [])];

function systemctlWords(control: Systemd): (...rest: string[]) => string {
  return (...rest) => [...words(control, 'systemctl'), ...rest].map(quote).join(' ');
}

/** The commands that arm a timer of systemd's own which starts the unit, and that end it. */
export function startTimer(
  control: Systemd,
  { prefix, limits }: Pick<Subject, 'prefix' | 'limits'>,
): { arm: string; disarm: string } {
  const timer = `cache-ops-drill-${prefix.split('-').at(-1)}`;
  const arm = [
    ...words(control, 'systemd-run'),
    '--collect',
    `--unit=${timer}`,
    `--on-active=${Math.ceil(limits.deadline / 1_000)}`,
    ...words(control, 'systemctl'),
    'start',
    control.unit,
  ];
  return {
    arm: arm.map(quote).join(' '),
    disarm: systemctlWords(control)('stop', `${timer}.timer`),
  };
}

/** Throws `refused` unless the unit runs and may be stopped. */
export async function demandActive(
  control: Systemd,
  { cwd, env }: Pick<Subject, 'cwd' | 'env'>,
): Promise<{ systemctl: (...rest: string[]) => string }> {
  const { unit } = control;
  const systemctl = systemctlWords(control);
  const question = systemctl('show', '--property=LoadState,ActiveState,RefuseManualStop', unit);
  const answer = await askShell(question, { cwd, env }).catch((error: Error) => {
    throw refused(`systemd does not answer: ${error.message}`, `try: ${question}`);
  });
  const state = new Map(answer.split('\n').map((line) => line.split('=') as [string, string]));
  if (state.get('LoadState') !== 'loaded' || state.get('ActiveState') !== 'active')
    throw refused(
      `the unit ${unit} is ${state.get('LoadState')} and ${state.get('ActiveState')}, not loaded and active`,
      `see systemctl status ${unit}`,
    );
  if (state.get('RefuseManualStop') === 'yes')
    throw refused(`the unit ${unit} refuses to be stopped by hand`, 'RefuseManualStop=yes');
  return { systemctl };
}
