import type { ControlConfig } from '../../config/control.js';
import { askShell } from '../faults/shell.js';
import { twoCommands } from './command.js';
import type { Driver, Subject } from './driver.js';
import { quote, refused } from './rehearse.js';

/**
 * A unit of systemd on this machine. A timer that starts it again is armed before it is stopped:
 * it is systemd's own, and needs nobody of ours.
 */
export function systemdDriver({ unit, user }: NonNullable<ControlConfig['systemd']>): Driver {
  const words = (program: string) => [program, ...(user ? ['--user'] : [])];
  const systemctl = (...rest: string[]) => [...words('systemctl'), ...rest].map(quote).join(' ');
  return {
    name: 'systemd',
    async stop(subject) {
      await demandActive(
        systemctl('show', '--property=LoadState,ActiveState,RefuseManualStop', unit),
        unit,
        subject,
      );
      const timer = `cache-ops-drill-${subject.prefix.split('-').at(-1)}`;
      const arm = [
        ...words('systemd-run'),
        '--collect',
        `--unit=${timer}`,
        `--on-active=${Math.ceil(subject.limits.deadline / 1_000)}`,
        ...words('systemctl'),
        'start',
        unit,
      ];
      return twoCommands(
        `${arm.map(quote).join(' ')} && ${systemctl('stop', unit)}`,
        `${systemctl('start', unit)} && { ${systemctl('stop', `${timer}.timer`)} || true; }`,
        subject,
      );
    },
    async hang(subject) {
      await demandActive(
        systemctl('show', '--property=LoadState,ActiveState,RefuseManualStop', unit),
        unit,
        subject,
      );
      return twoCommands(
        systemctl('kill', '--signal=SIGSTOP', unit),
        systemctl('kill', '--signal=SIGCONT', unit),
        subject,
      );
    },
  };
}

async function demandActive(question: string, unit: string, { cwd, env }: Subject): Promise<void> {
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
}
