import type { TasksConfig } from '../config/workers.js';
import { type Application, atPointer, type Limits, request } from './client.js';

/** An application that takes split tasks. */
export type TaskTaker = Application & { tasks: TasksConfig };

/** The application as one that takes tasks; undefined where it has no routes for them. */
export function taskTaker(application: Application): TaskTaker | undefined {
  const { tasks } = application.config;
  return tasks && { ...application, tasks };
}

/** Starts a split task and returns its id. Throws when there is none in the answer. */
export async function startTask(
  { name, config, tasks }: TaskTaker,
  limits: Limits,
): Promise<string> {
  const items = Array.from({ length: tasks.items }, (_, n) => tasks.item.replaceAll('{n}', `${n}`));
  const body = tasks.body.replaceAll('{items}', `[${items.join(',')}]`);
  const answer = await ask({ config, tasks }, tasks.start, limits, body);
  if (!answer.ok) throw new Error(`${name} starts no task: ${answer.error}`);
  const id = atPointer(answer.text, tasks.id);
  if (typeof id === 'string' && id !== '') return id;
  throw new Error(`${name} starts no task: its answer has no id at ${tasks.id}`);
}

/** What the application says of a task; the failure when it does not answer. */
export async function readTaskStatus(
  { config, tasks }: TaskTaker,
  task: string,
  limits: Limits,
): Promise<string> {
  const path = tasks.read.replaceAll('{task}', encodeURIComponent(task));
  const answer = await ask({ config, tasks }, path, limits);
  if (!answer.ok) return answer.error ?? 'nothing';
  return String(atPointer(answer.text, tasks.status) ?? `nothing at ${tasks.status}`);
}

function ask(
  { config, tasks }: Pick<TaskTaker, 'config' | 'tasks'>,
  template: string,
  limits: Limits,
  body?: string,
) {
  const [method = '', path = ''] = template.split(' ');
  // One header of two spellings would be sent as a list.
  const others = Object.entries(config.headers).filter(([name]) => !/^x-user-id$/i.test(name));
  const headers = { ...Object.fromEntries(others), 'x-user-id': tasks.user };
  return request({ ...config, headers }, method, new URL(path, config.health).href, limits, body);
}
