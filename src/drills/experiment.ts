import type { Effect } from './drivers/driver.js';
import type { CallWitness } from './witnesses/witness.js';

/** A drill as data: what must hold before, what is broken, what must be seen, and how long it may take. */
export interface Experiment {
  name: string;
  summary: string;
  server: 'redis' | 'postgres' | 'worker';
  effect: Effect;
  /** The mode applications are in before and after. */
  steady: 'redis';
  /** The mode they must be in while the fault lasts; with `either` they may also go on in redis mode, with `redis` they must. */
  degraded: 'memory' | 'either' | 'redis';
  /** Whether the target must be seen not to answer. */
  outage: boolean;
  /** Whether it proves nothing without an application. */
  needsApplications: boolean;
  /** How often an application may change its mode: to memory and back. */
  changes: number;
  /** Whether a target that keeps nothing over a stop would lose its data. */
  persistence: boolean;
  /** What may be asked for beside the limits, with its default. */
  params: Readonly<Record<string, number>>;
  /** What is done to the target and its end, in words: `Stop`, `stopping`, `is stopped`, `starting`. */
  words: { ask: string; breaking: string; broken: string; mending: string };
  /** What is held against how it was before. */
  witnesses: readonly CallWitness[];
  limits: Limits;
}

/** Milliseconds. */
export interface Limits {
  /** How long the steady state is watched before anything is broken, and again after recovery. */
  settle: number;
  /** How long the fault lasts after every application has degraded. */
  hold: number;
  maxDegrade: number;
  maxRecover: number;
  /** Whatever happens, the watchdog restores after this long. */
  deadline: number;
}
