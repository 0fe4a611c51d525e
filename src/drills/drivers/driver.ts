import type { Environment } from '../../config/environment.js';
import type { Host } from '../../io.js';
import type { Info } from '../../redis/info.js';
import type { Access, Endpoint } from '../../redis/target.js';
import type { Limits } from '../experiment.js';
import type { Fault, Way } from '../faults/fault.js';

/** What a drill does to its target. */
export type Effect =
  | 'stop'
  | 'restart'
  | 'failover'
  | 'hang'
  | 'auth'
  | 'crowd'
  | 'latency'
  | 'reset'
  | 'blackhole'
  | 'fill'
  | 'kill';

/**
 * A way to get at a target. For each effect that it has it makes the fault ready, or throws
 * `refused` with what is missing: a rehearsal of the restoration. Nothing is changed by that.
 */
export type Driver = { name: string } & {
  [E in Exclude<Effect, 'restart' | 'failover' | 'kill'>]?: (subject: Subject) => Promise<Way>;
};

/** What is known of the target when a driver is asked. */
export interface Subject {
  endpoint: Endpoint;
  tls: boolean;
  /** Set where the target is a Postgres. */
  postgres?: Fault['postgres'];
  cwd: string;
  env: Environment;
  host: Host;
  /** How to sign in. Holds secrets. */
  access: Access;
  info: Info;
  limits: Limits;
  /** What the drill was asked for beside its limits, by name. */
  params: Readonly<Record<string, number>>;
  /** Begins the names of whatever the drill writes. */
  prefix: string;
}
