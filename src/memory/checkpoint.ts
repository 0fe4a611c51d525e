import { rmSync } from 'node:fs';
import type { ScanPosition } from '../redis/scan/types.js';
import { readJson, type State, writeDurably } from '../state/folder.js';
import type { TallyState } from './tally/tally.js';

/** What a scan had summed up of a server, and how far it had come: both of the same moment. */
export interface ServerCheckpoint {
  position: ScanPosition | null;
  tally: TallyState;
  /** All of its keys are in the tally. */
  done: boolean;
}

/** A scan that can go on. It is of one target, and of the same question only. */
export interface Checkpoint {
  format: 1;
  target: string;
  question: string;
  at: string;
  servers: Record<string, ServerCheckpoint>;
}

const fileOf = (state: State, target: string) =>
  state.path('memory', 'scans', `${encodeURIComponent(target)}.json`);

/** Replaces what was stored of the target before. */
export function storeCheckpoint(state: State, checkpoint: Checkpoint): void {
  writeDurably(fileOf(state, checkpoint.target), JSON.stringify(checkpoint));
}

/** Undefined when there is none, or none that can be read. */
export function readCheckpoint(state: State, target: string): Checkpoint | undefined {
  const found = readJson(fileOf(state, target)) as Checkpoint | undefined;
  return found?.format === 1 ? found : undefined;
}

export function forgetCheckpoint(state: State, target: string): void {
  rmSync(fileOf(state, target), { force: true });
}
