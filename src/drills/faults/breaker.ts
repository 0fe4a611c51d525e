import type { Environment } from '../../config/environment.js';
import type { Host } from '../../io.js';
import type { Access } from '../../redis/target.js';
import type { Fault } from './fault.js';

/** What acting on a target needs. */
export interface Actor {
  host: Host;
  env: Environment;
  /** File that the output of commands is appended to. */
  log: string;
  /** How to sign in to the target, from the configuration. Holds secrets. */
  access(): Promise<Access>;
}

/** What goes on in the process that broke the target for as long as it is broken. */
export interface Live {
  end(): Promise<void>;
}

/** One way to break a target and to make it good again; `way` is the fault's own part of `fault`. */
export interface Breaker<W> {
  /** Breaks the target and returns when it is broken. */
  inject(fault: Fault, way: W, actor: Actor): Promise<Live | undefined>;
  /**
   * Makes the target good and returns when it is. Safe to repeat, and by any process.
   * `settled` tells that the injection has either taken effect or was never sent.
   */
  restore(fault: Fault, way: W, actor: Actor, settled: boolean): Promise<void>;
  /** Both in words, for an operator who is to agree or has to do it by hand. */
  words(way: W): { breaks: string; mends: string };
}
