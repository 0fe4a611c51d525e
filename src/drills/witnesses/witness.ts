import type { Application } from '../../applications/client.js';
import type { PostgresTarget } from '../../postgres/target.js';
import type { Limits } from '../../redis/channel.js';
import type { Access } from '../../redis/target.js';
import type { Master } from '../master.js';
import type { Work } from '../work.js';

/** Something that is looked at before a drill and again after it. */
export interface Witness {
  /** What it found. Throws when it cannot look. */
  check(limits: Limits): Promise<Testimony>;
  /** Takes away what it has left in the target. Never throws. */
  remove(limits: Limits): Promise<void>;
  /** Resolves when the moment to break has come; throws when it does not come. */
  ready?(limits: Limits, tell: (message: string) => void): Promise<void>;
  /** Whether it has seen what it is there for; the fault lasts until it has. */
  sees?(): boolean;
}

/** `problems` make a drill fail; `says` is the line of the timeline when there are none. */
export interface Testimony {
  problems: string[];
  says: string;
  facts?: Facts;
  settings?: Setting[];
}

/** Figures of the report beside those of the applications; times in ms, sizes in bytes. */
export type Facts = Record<string, number | string | null>;

/** What a witness is called with. `prefix` begins the names of whatever it writes. */
export interface Stand {
  /** How to sign in to a Redis; undefined for a Postgres. */
  access: Access | undefined;
  postgres?: PostgresTarget | undefined;
  applications: readonly Application[];
  prefix: string;
  /** Who takes writes, of a target that fails over. */
  master?: Master | undefined;
  /** The split task of a drill about workers. */
  work?: Work | undefined;
}

/** A setting or user before and after a drill; null where it was not set. Secrets appear as marks. */
export interface Setting {
  name: string;
  before: string | null;
  after: string | null;
}

export type CallWitness = (stand: Stand, limits: Limits) => Promise<Witness>;
