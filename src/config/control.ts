import * as z from 'zod/mini';
import { part } from './values.js';

const filled = (description: string) => z.string().check(z.minLength(1), z.describe(description));

/** Never taken for an option, and in need of no quotes. */
const name = (description: string) =>
  z.string().check(z.regex(/^[\w][\w.@:-]*$/, 'expected a name'), z.describe(description));

/** What an orchestrator has, it has for a server as for a worker. */
const orchestrated = () => ({
  docker: z.strictObject({ container: name('name of the container') }),
  compose: z.strictObject({
    service: name('name of the service'),
    file: z.optional(filled('compose file; relative to this one')),
    project: z.optional(name('name of the project')),
  }),
  systemd: z.strictObject({
    unit: name('unit, such as redis-server.service'),
    user: z.optional(z.boolean().check(z.describe("a unit of the user's own"))),
  }),
  kubernetes: z.strictObject({
    namespace: name('namespace'),
    workload: z
      .string()
      .check(
        z.regex(/^(statefulset|deployment|replicaset)\/[\w.-]+$/, 'expected statefulset/NAME'),
        z.describe('what is scaled, such as statefulset/redis'),
      ),
    context: z.optional(filled('context of kubectl')),
  }),
});

const ways = () => ({
  process: z.strictObject({
    pidFile: z.optional(
      z.string().check(z.describe('checked against the pid that the server reports')),
    ),
    start: filled('shell command that starts it again'),
  }),
  command: z
    .strictObject({
      stop: filled('shell command that stops it'),
      start: filled('shell command that starts it again'),
      pause: z.optional(filled('shell command that lets it hang')),
      resume: z.optional(filled('shell command that lets it go on')),
    })
    .check(
      z.refine(({ pause, resume }) => !pause === !resume, {
        error: 'expected both pause and resume, or neither',
        path: ['resume'],
      }),
    ),
  ...orchestrated(),
  ssh: z.strictObject({
    host: name('host, or user@host, as ssh takes it'),
    stop: filled('shell command on that host that stops it'),
    start: filled('shell command on that host that starts it again'),
  }),
  proxy: z
    .strictObject({
      listen: z
        .string()
        .check(
          z.regex(/^(\[[0-9a-f:]+\]|[^:\s]+):\d{1,5}$/i, 'expected host:port'),
          z.describe('host:port where applications connect to'),
        ),
      socket: filled('unix socket by which drills control it; relative to this file'),
    })
    .check(z.describe('a proxy that applications go through for good: see drill proxy')),
  connection: z
    .literal(true)
    .check(z.describe('nothing but its own connection: CONFIG SET, ACL, CLIENT PAUSE and KILL')),
});

const restart = () =>
  z.optional(filled('shell command that starts it again; a supervisor does where it is left out'));

const workerWays = () => ({
  process: z
    .strictObject({
      pidFile: z.optional(filled('file that begins with its pid; relative to this one')),
      port: z.optional(
        z.int().check(z.minimum(1), z.maximum(65_535), z.describe('port that it listens on')),
      ),
      start: restart(),
    })
    .check(
      z.refine(({ pidFile, port }) => (pidFile === undefined) !== (port === undefined), {
        error: 'expected either pidFile or port, to find the process',
        path: ['pidFile'],
      }),
    ),
  command: z.strictObject({
    kill: filled('shell command that kills it at once, as kill -9 does'),
    alive: filled('shell command that ends with 0 while it is there'),
    start: restart(),
  }),
  ...orchestrated(),
  ssh: z.strictObject({
    host: name('host, or user@host, as ssh takes it'),
    kill: filled('shell command on that host that kills it at once'),
    alive: filled('shell command on that host that ends with 0 while it is there'),
    start: restart(),
  }),
});

type Ways = Record<string, z.ZodMiniType>;

/** Exactly one of `known`. */
function oneOf<W extends Ways>(known: W, description: string) {
  const optional = Object.fromEntries(
    Object.entries(known).map(([name, way]) => [name, z.optional(way)]),
  ) as { [K in keyof W]: z.ZodMiniOptional<W[K]> };
  return z.strictObject(optional).check(
    z.refine(
      (given) => waysIn(given).length === 1 || ('proxy' in given && waysIn(given).length === 0),
      `expected exactly one way: ${waysIn(known).join(', ')}${'proxy' in known ? '; or proxy, alone or beside it' : ''}`,
    ),
    z.describe(description),
  );
}

/** The ways a drill may get at a target. */
export const control = part(() =>
  oneOf(
    ways(),
    'how a drill stops and starts it; variables are left to the shell, so no secret is stored',
  ),
);
export type ControlConfig = z.infer<typeof control>;

/** A proxy stands beside any of them. */
function waysIn(given: object): string[] {
  return Object.keys(given).filter((name) => name !== 'proxy');
}

/** The ways a drill may get at a worker. */
export const workerControl = part(() =>
  oneOf(workerWays(), 'how a drill kills it and sees that it is back; variables as for a server'),
);
export type WorkerControl = z.infer<typeof workerControl>;
