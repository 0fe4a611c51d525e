import * as z from 'zod/mini';

/**
 * What a drill breaks and how it is made good again, in a form that stands on disk and that any
 * later process can act on. Commands are as the configuration has them: variables are left to the
 * shell, so no secret is written.
 */
export const faultSchema = z.object({
  /** Where the target listens, to see whether it answers. */
  endpoint: z.union([
    z.object({ host: z.string(), port: z.number() }),
    z.object({ path: z.string() }),
  ]),
  tls: z.boolean(),
  /** Folder that the commands run in, and whose `.env` they get. */
  cwd: z.string(),
  stop: z.union([
    z.object({ pid: z.number(), started: z.string() }).check(z.describe('SIGTERM to this process')),
    z.object({ command: z.string() }),
  ]),
  start: z.string(),
});
export type Fault = z.infer<typeof faultSchema>;

/** A way to stop and start a target. */
export interface Driver {
  /** Makes the fault ready, or throws `refused` with what is missing: a rehearsal of the restoration. */
  prepare(subject: Subject): Promise<Fault>;
}

/** What is known of the target when a driver is asked. */
export interface Subject {
  endpoint: Fault['endpoint'];
  tls: boolean;
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  /** The pid that Redis itself reports; undefined when INFO says none. */
  pid: number | undefined;
}
