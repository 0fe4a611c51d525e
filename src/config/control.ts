import * as z from 'zod/mini';

const filled = (description: string) => z.string().check(z.minLength(1), z.describe(description));

/** Never taken for an option, and in need of no quotes. */
const name = (description: string) =>
  z.string().check(z.regex(/^[\w][\w.@:-]*$/, 'expected a name'), z.describe(description));

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
type Ways = ReturnType<typeof ways>;

function build() {
  const known = ways();
  const optional = Object.fromEntries(
    Object.entries(known).map(([name, way]) => [name, z.optional(way)]),
  ) as { [K in keyof Ways]: z.ZodMiniOptional<Ways[K]> };
  return z.strictObject(optional).check(
    z.refine(
      (given) =>
        waysIn(given).length === 1 || (given.proxy !== undefined && waysIn(given).length === 0),
      `expected exactly one way: ${waysIn(known).join(', ')}; or proxy, alone or beside it`,
    ),
    z.describe(
      'how a drill stops and starts it; variables are left to the shell, so no secret is stored',
    ),
  );
}

/** A proxy stands beside any of them. */
function waysIn(given: object): string[] {
  return Object.keys(given).filter((name) => name !== 'proxy');
}

let built: ReturnType<typeof build> | undefined;

/** The ways a drill may get at a target. Made when it is asked for: it costs three ms of every start. */
export function control() {
  built ??= build();
  return built;
}
export type ControlConfig = z.infer<ReturnType<typeof control>>;
