import type { ControlConfig } from '../../config/control.js';
import type { Way } from '../faults/fault.js';
import type { Driver, Subject } from './driver.js';
import { rehearseShell } from './rehearse.js';

/** A target that one shell command stops and another starts; two more may let it hang and go on. */
export function commandDriver(commands: NonNullable<ControlConfig['command']>): Driver {
  const { stop, start, pause, resume } = commands;
  return {
    name: 'command',
    stop: (subject) => twoCommands(stop, start, subject),
    ...(pause && resume && { hang: (subject) => twoCommands(pause, resume, subject) }),
  };
}

/** A fault made of a command that breaks and one that mends; both are rehearsed. */
export async function twoCommands(
  stop: string,
  start: string,
  { cwd, env }: Subject,
): Promise<Way> {
  await rehearseShell(stop, { cwd, env });
  await rehearseShell(start, { cwd, env });
  return { kind: 'command', stop, start };
}
