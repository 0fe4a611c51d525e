import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { CacheOpsError } from '../../errors.js';
import type { State } from '../../state/folder.js';
import type { Engine } from '../engine.js';
import { choose, type Place, type Selection } from './choose.js';
import { openChosen } from './chosen.js';
import {
  type Action,
  allRecords,
  type OperationRecord,
  operationFolder,
  readRecord,
  storeRecord,
} from './store.js';

/** The jobs that were chosen, in the operation's folder. */
export interface ChosenJobs {
  /** Of each place of the selection, how many. */
  jobs: number[];
  unreadable: number;
  /** Of the ids that were asked for, those that are there. */
  found: Set<string>;
}

/** Writes the selected jobs to the operation's folder; a full disk shows here, before any change. */
export async function chooseInto(
  folder: string,
  selection: Selection,
  { signal, onPage }: { signal: AbortSignal; onPage: (total: number) => void },
): Promise<ChosenJobs> {
  const chosen: ChosenJobs = {
    jobs: selection.places.map(() => 0),
    unreadable: 0,
    found: new Set(),
  };
  let total = 0;
  const file = openChosen(folder);
  try {
    for await (const page of choose(selection, signal)) {
      file.write(page);
      chosen.jobs[page.place] = (chosen.jobs[page.place] ?? 0) + page.jobs.length;
      chosen.unreadable += page.unreadable;
      if (selection.filter.ids) for (const { id } of page.jobs) chosen.found.add(id);
      total += page.jobs.length;
      onPage(total);
    }
  } finally {
    file.close();
  }
  return chosen;
}

/** The operation to go on with: the named one, or the newest open one of this action. */
export function findOpen(state: State, action: Action, id: string | undefined): OperationRecord {
  const open = allRecords(state).filter(({ ended_at }) => ended_at === null);
  const record =
    id === undefined ? open.find((one) => one.action === action) : readRecord(state, id);
  if (!record) {
    throw new CacheOpsError(
      'not_found',
      id === undefined ? `no "queue ${action}" is open` : `there is no operation ${id}`,
      'what there is: cache-ops queue history',
    );
  }
  if (record.ended_at !== null) {
    throw new CacheOpsError(
      'usage',
      `operation ${record.id} is finished: there is nothing left to do`,
    );
  }
  if (record.action !== action) {
    throw new CacheOpsError(
      'usage',
      `operation ${record.id} is a ${record.action}`,
      `cache-ops queue ${record.action} --resume ${record.id}`,
    );
  }
  return record;
}

/** The operation's queues with their engines, as its file of chosen jobs numbers them. */
export function placesOf(record: OperationRecord, engines: readonly Engine[]): Place[] {
  return record.queues.map((ref) => {
    const engine = engines.find(({ name, source }) => name === ref.engine && source === ref.source);
    if (engine) return { engine, ref };
    throw new CacheOpsError(
      'config',
      `operation ${record.id} is on ${ref.engine} queues of "${ref.source}", which the configuration does not have`,
      'use the configuration that it was begun with',
    );
  });
}

/** Marks an operation as finished: what it had chosen is not needed any more, its journal stays. */
export function finish(state: State, record: OperationRecord): void {
  storeRecord(state, record);
  rmSync(join(operationFolder(state, record.id), 'chosen.ndjson'), { force: true });
}
