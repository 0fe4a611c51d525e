import type { Kind } from './kinds.js';

/** Where an entry has what a migration needs. */
const FIELDS = [
  'id',
  'user',
  'status',
  'updatedAt',
  'expiresAt',
  'ttl',
  'chat',
  'messages',
  'value',
  'queue',
  'name',
  'data',
  'priority',
  'runAt',
] as const;
export type Field = (typeof FIELDS)[number];

/** The names on the way to a value, as a JSON pointer has them. */
export type Path = readonly string[];

/** For each field the places where it is looked for; the first that is there counts. */
export type Shape = Readonly<Record<Field, readonly Path[]>>;

/** JSON pointers that an operator has given, by field. */
export type Mapping = Readonly<Partial<Record<Field, string | undefined>>>;

const names = (...list: string[]): Path[] => list.map((name) => [name]);

const IDS: Readonly<Record<Kind, readonly Path[]>> = {
  tasks: names('task', 'task_id', 'taskId', 'id'),
  sessions: names('task', 'task_id', 'taskId', 'session', 'session_id', 'sessionId', 'id'),
  jobs: names('id', 'job', 'job_id', 'jobId'),
  keys: [],
};

/** The shapes of the estate: what Node and Python write. */
const BUILT_IN: Omit<Shape, 'id'> = {
  user: names('user', 'user_id', 'userId'),
  status: names('status', 'state'),
  updatedAt: names('updatedAt', 'updated_at'),
  expiresAt: names('expiresAt', 'expires_at'),
  ttl: names('ttl'),
  chat: names('chat', 'kind'),
  messages: names('messages'),
  value: names('value'),
  queue: names('queue'),
  name: names('name'),
  data: names('data'),
  priority: names('priority'),
  runAt: names('runAt', 'run_at'),
};

export function shapeOf(kind: Kind, mapping: Mapping = {}): Shape {
  const given = FIELDS.flatMap((field) => {
    const pointer = mapping[field];
    return pointer === undefined ? [] : [[field, [pathOf(pointer)]] as const];
  });
  return { ...BUILT_IN, id: IDS[kind], ...Object.fromEntries(given) };
}

/** A JSON pointer (RFC 6901) as names. */
export function pathOf(pointer: string): Path {
  const parts = pointer.split('/').slice(1);
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

export function valueAt(object: object, path: Path): unknown {
  let value: unknown = object;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** The first of the places that has something; null counts as nothing. */
export function firstAt(object: object, paths: readonly Path[]): unknown {
  for (let at = 0; at < paths.length; at += 1) {
    const path = paths[at] as Path;
    const value = path.length === 1 ? ownOf(object, path[0] as string) : valueAt(object, path);
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

function ownOf(object: object, name: string): unknown {
  const value = (object as Record<string, unknown>)[name];
  // Of what an object inherits there are functions only, and `__proto__`.
  return typeof value === 'function' || name === '__proto__' ? undefined : value;
}
