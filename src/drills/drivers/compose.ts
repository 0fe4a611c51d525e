import type { ControlConfig } from '../../config/control.js';
import { askShell } from '../faults/shell.js';
import { twoCommands } from './command.js';
import type { Driver, Subject } from './driver.js';
import { quote, refused } from './rehearse.js';

type Compose = NonNullable<ControlConfig['compose']>;

/** A service of docker compose; it keeps its container, and so its data. */
export function composeDriver(control: Compose): Driver {
  const { service } = control;
  const compose = composeWords(control);
  const demandRunning = async ({ cwd, env }: Subject) => {
    const question = compose('ps', '--services', '--status', 'running');
    const answer = await askShell(question, { cwd, env }).catch((error: Error) => {
      throw refused(`docker compose does not answer: ${error.message}`, `try: ${question}`);
    });
    if (!answer.split('\n').includes(service))
      throw refused(`the service ${service} is not running`, `see: ${question}`);
  };
  return {
    name: 'compose',
    async stop(subject) {
      await demandRunning(subject);
      return twoCommands(compose('stop', service), compose('start', service), subject);
    },
    async hang(subject) {
      await demandRunning(subject);
      return twoCommands(compose('pause', service), compose('unpause', service), subject);
    },
  };
}

/** A command line of docker compose for this project. */
export function composeWords({ file, project }: Compose): (...rest: string[]) => string {
  const words = [
    'docker',
    'compose',
    ...(file ? ['-f', file] : []),
    ...(project ? ['-p', project] : []),
  ];
  return (...rest) => [...words, ...rest].map(quote).join(' ');
}
