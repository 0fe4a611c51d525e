/** A drill as data: what must hold before, what is broken, what must be seen, and how long it may take. */
export interface Experiment {
  name: string;
  summary: string;
  /** The mode applications are in before and after. */
  steady: 'redis';
  /** The mode they must be in while the fault lasts. */
  degraded: 'memory';
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
