import * as z from 'zod/mini';

const identity = { pid: z.number(), started: z.string() };

/** Redis on another port, from which it can be brought back. */
const move = z.object({
  setting: z.enum(['port', 'tls-port']),
  port: z.number(),
  rescue: z.number(),
});
export type Move = z.infer<typeof move>;

/** Where a worker's process is found: by a file with its pid, or by a port that it listens on. */
const lair = z.union([z.object({ pidFile: z.string() }), z.object({ port: z.number() })]);
export type Lair = z.infer<typeof lair>;

/** What a proxy does; see proxy/link.ts. */
const toxic = z.object({
  delay: z.optional(z.number()),
  jitter: z.optional(z.number()),
  reset: z.optional(z.boolean()),
  blackhole: z.optional(z.boolean()),
});

/**
 * How a target is broken and made good again, by kind; each kind is a file of this folder. Commands
 * are as the configuration has them: variables are left to the shell, so no secret is written.
 */
const waySchema = z.discriminatedUnion('kind', [
  z
    .object({
      kind: z.literal('process'),
      ...identity,
      signal: z.enum(['SIGTERM', 'SIGINT']),
      start: z.string(),
    })
    .check(z.describe('a signal that ends this process')),
  z.object({ kind: z.literal('command'), stop: z.string(), start: z.string() }),
  z
    .object({ kind: z.literal('freeze'), ...identity })
    .check(z.describe('SIGSTOP to this process, and SIGCONT')),
  z.object({ kind: z.literal('pause'), ms: z.number() }).check(z.describe('CLIENT PAUSE')),
  z.object({ kind: z.literal('stutter'), ms: z.number() }).check(z.describe('CLIENT PAUSE anew')),
  z.object({ kind: z.literal('sever'), every: z.number() }).check(z.describe('CLIENT KILL anew')),
  z.object({ kind: z.literal('port'), move }),
  z.object({
    kind: z.literal('proxy'),
    move,
    hosts: z.array(z.string()),
    toxic,
  }),
  z.object({
    kind: z.literal('toxic'),
    socket: z.string(),
    listen: z.object({ host: z.string(), port: z.number() }),
    toxic,
  }),
  z.object({
    kind: z.literal('crowd'),
    /** Connections that maxclients allows meanwhile, all of them the drill's own. */
    places: z.number(),
    before: z.string(),
  }),
  z.object({ kind: z.literal('acl'), user: z.string(), rescue: z.string() }),
  z.object({
    kind: z.literal('kill'),
    victim: z.union([
      z.object({ ...identity, program: z.string(), lair }),
      /** Shell commands; `alive` ends with 0 while it is there. */
      z.object({ kill: z.string(), alive: z.string() }),
    ]),
    /** What starts it again; a supervisor where it is left out. */
    start: z.optional(z.string()),
    /** Whether all that could go on with its work die with it. */
    all: z.boolean(),
  }),
  z.object({
    kind: z.literal('fill'),
    prefix: z.string(),
    /** Bytes that may be written before something has to go, and the keys that fill them. */
    room: z.number(),
    pieces: z.number(),
    before: z.object({
      maxmemory: z.string(),
      'maxmemory-policy': z.string(),
      'maxmemory-samples': z.string(),
    }),
  }),
]);
export type Way = z.infer<typeof waySchema>;
export type WayOf<K extends Way['kind']> = Extract<Way, { kind: K }>;

/** What a drill breaks and how, in a form that stands on disk and that any later process can act on. */
export const faultSchema = z.object({
  /** Name in the configuration. */
  target: z.string(),
  /** The configuration's file, if it has one, and the folder that it was looked for from. */
  config: z.object({ file: z.nullable(z.string()), cwd: z.string() }),
  /** Where the target listens, to see whether it answers; nowhere where it is left out: a worker. */
  endpoint: z.optional(
    z.union([z.object({ host: z.string(), port: z.number() }), z.object({ path: z.string() })]),
  ),
  tls: z.boolean(),
  /** As whom a Postgres is greeted; Redis where it is left out. */
  postgres: z.optional(z.object({ user: z.string(), database: z.string() })),
  /** Folder that the commands run in, and whose `.env` they get. */
  cwd: z.string(),
  way: waySchema,
});
export type Fault = z.infer<typeof faultSchema>;
