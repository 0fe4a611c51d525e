import type { ControlConfig } from '../../config/control.js';
import { askShell } from '../faults/shell.js';
import { twoCommands } from './command.js';
import type { Driver } from './driver.js';
import { quote, refused } from './rehearse.js';

type Kubernetes = NonNullable<ControlConfig['kubernetes']>;

/** A workload such as `statefulset/redis`: scaled to nothing, and back to the replicas that it had. */
export function kubernetesDriver(control: Kubernetes): Driver {
  const { workload } = control;
  const kubectl = kubectlWords(control);
  const scale = (replicas: number) => ['scale', workload, `--replicas=${replicas}`];
  return {
    name: 'kubernetes',
    async stop(subject) {
      const { cwd, env } = subject;
      const ask = (question: string) =>
        askShell(question, { cwd, env }).catch((error: Error) => {
          throw refused(`kubectl cannot scale ${workload}: ${error.message}`, `try: ${question}`);
        });
      const replicas = Number(
        await ask(kubectl('get', workload, '-o', 'jsonpath={.spec.replicas}')),
      );
      if (!(replicas > 0))
        throw refused(`${workload} has ${replicas} replicas: nothing runs`, 'nothing was broken');
      // The server checks the rights and the object, and changes nothing.
      for (const count of [0, replicas]) await ask(kubectl(...scale(count), '--dry-run=server'));
      return twoCommands(kubectl(...scale(0)), kubectl(...scale(replicas)), subject);
    },
  };
}

/** A command line of kubectl in this namespace. */
export function kubectlWords({ namespace, context }: Kubernetes): (...rest: string[]) => string {
  const words = ['kubectl', ...(context ? ['--context', context] : []), '-n', namespace];
  return (...rest) => [...words, ...rest].map(quote).join(' ');
}
