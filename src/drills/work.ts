import type { TaskTaker } from '../applications/tasks.js';
import type { Config } from '../config/load.js';
import type { PostgresTarget } from '../postgres/target.js';

/** A worker as a drill sees it. */
export interface Worker {
  name: string;
  /** How batches name it. */
  owner: string;
  alive(): Promise<boolean>;
}

/** The split task by which a drill sees what workers do. */
export interface Work {
  /** Where its jobs are looked for. */
  config: Config;
  /** Where its tables are. */
  postgres: PostgresTarget;
  /** Who starts it, and is asked about it; undefined where one that is under way is watched. */
  taker: TaskTaker | undefined;
  /** One that is under way, by its id. */
  task: string | undefined;
  /** The one that is killed; all of them where Postgres is what is stopped. */
  workers: Worker[];
  /** Whether nobody is left who could go on with it until the worker is started again. */
  all: boolean;
  /** Milliseconds until the batch is to be taken up, and until the task is to be over. */
  maxDegrade: number;
  maxRecover: number;
}
