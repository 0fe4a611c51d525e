import type { ControlConfig } from '../../config/control.js';
import { askShell } from '../faults/shell.js';
import { twoCommands } from './command.js';
import type { Driver, Subject } from './driver.js';
import { quote, refused } from './rehearse.js';

type World = Pick<Subject, 'cwd' | 'env'>;

/** A container, over the docker client; DOCKER_HOST and contexts are the client's own business. */
export function dockerDriver({ container }: NonNullable<ControlConfig['docker']>): Driver {
  const name = quote(container);
  return {
    name: 'docker',
    async stop(subject) {
      await demandReturn(container, subject);
      return twoCommands(`docker stop ${name}`, `docker start ${name}`, subject);
    },
    async hang(subject) {
      await inspect(container, subject);
      return twoCommands(`docker pause ${name}`, `docker unpause ${name}`, subject);
    },
  };
}

/** A container that is stopped must not vanish, and must be there after a reboot in the middle of a drill. */
export async function demandReturn(container: string, subject: World): Promise<void> {
  const { autoRemove, restart } = await inspect(container, subject);
  if (autoRemove)
    throw refused(
      `the container ${container} is removed when it is stopped (--rm): its data would be lost`,
      'start it without --rm',
    );
  if (restart !== 'always' && restart !== 'unless-stopped')
    throw refused(
      `the container ${container} would not come back after a reboot (restart policy ${restart || 'no'})`,
      `docker update --restart unless-stopped ${container}`,
    );
}

async function inspect(
  container: string,
  { cwd, env }: World,
): Promise<{ autoRemove: boolean; restart: string }> {
  const format = '{{.State.Status}} {{.HostConfig.AutoRemove}} {{.HostConfig.RestartPolicy.Name}}';
  const answer = await askShell(
    `docker inspect --type container --format '${format}' ${quote(container)}`,
    { cwd, env },
  ).catch((error: Error) => {
    throw refused(`docker knows no container ${container}: ${error.message}`, 'see docker ps');
  });
  const [state, autoRemove, restart = ''] = answer.trim().split(' ');
  if (state !== 'running')
    throw refused(`the container ${container} is ${state}, not running`, 'see docker ps --all');
  return { autoRemove: autoRemove === 'true', restart };
}
