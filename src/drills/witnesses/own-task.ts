import { performance } from 'node:perf_hooks';
import { readTaskStatus, startTask } from '../../applications/tasks.js';
import type { PostgresSession } from '../../postgres/client.js';
import { type Proof, proveTask } from '../../tasks/proof.js';
import { haveTasks } from '../../tasks/read.js';
import { eventually } from '../eventually.js';
import type { Work } from '../work.js';
import { jobsOf, removeJobs } from './own-jobs.js';
import type { Testimony } from './witness.js';

/** What is left of the task of a drill that was killed ends by itself; its rows may go after this, in seconds. */
const LEFT_OVER_S = 3_600;
/** Milliseconds between two looks at the tables. */
const LOOK = 100;

/** The task of a drill: its own, which is started, proved and taken away, or one that is under way. */
export class DrillTask {
  /** Empty until it has begun. */
  id = '';
  #isOwn = false;
  #kind = '';
  readonly #jobs = new Set<string>();

  constructor(
    private readonly work: Work,
    private readonly session: PostgresSession,
    private readonly timeout: number,
  ) {}

  /** Starts it, unless it is one that is under way; returns its id. Throws when the tables do not have it. */
  async begin(signal: AbortSignal | undefined): Promise<string> {
    const { taker, task, postgres } = this.work;
    this.id = task ?? '';
    if (task !== undefined) return task;
    if (!taker) throw new Error('no application starts tasks');
    await this.#clearLeftOver(taker.tasks.user);
    this.id = await startTask(taker, this.#patience(signal));
    this.#isOwn = true;
    if (await this.#prove()) return this.id;
    throw new Error(
      `${taker.name} says that it has started task ${this.id}; ${postgres.name} does not have it`,
    );
  }

  /** Waits until the task is over, and holds its results against its items. Throws when the tables cannot be read. */
  async prove(signal: AbortSignal | undefined): Promise<Testimony> {
    const { taker, maxRecover } = this.work;
    const began = performance.now();
    await eventually(async () => (isOver(await this.#prove()) ? true : undefined), {
      limit: maxRecover,
      every: LOOK,
      signal,
    });
    const took = Math.round(performance.now() - began);
    const proof = await this.#prove();
    if (!proof) return { problems: [`task ${this.id} is gone from the tables`], says: '' };
    const problems = problemsOf(this.id, proof, maxRecover);
    if (taker && proof.status === 'completed') {
      const said = await readTaskStatus(taker, this.id, this.#patience(signal));
      if (said !== proof.status)
        problems.push(`${taker.name}: says ${said} of the task, its row ${proof.status}`);
    }
    const { total, once, twice, missing } = proof;
    return {
      problems,
      says: `the task is completed, ${took} ms later: each of its ${total} items is in the results once`,
      facts: {
        task: this.id,
        items: total,
        items_once: once,
        items_twice: twice,
        items_missing: missing,
      },
    };
  }

  /** Notes its jobs: whoever takes a batch up brings it round by another one. */
  async noteJobs(): Promise<void> {
    for (const { kind, id } of await this.session.read((query) => jobsOf(query, this.id))) {
      this.#kind = kind;
      this.#jobs.add(id);
    }
  }

  /** Takes its own rows and jobs away. Workers that are still at it find that their batch is gone. Never throws. */
  async remove(): Promise<void> {
    if (!this.#isOwn) return;
    const { session, timeout, work } = this;
    await this.noteJobs().catch(() => {});
    await session
      .writeOne('DELETE FROM asl_schema.asl_screening_tasks WHERE id = $1', [this.id])
      .catch(() => {});
    await removeJobs(work.config, this.#kind, [...this.#jobs], { timeout }).catch(() => {});
  }

  #prove(): Promise<Proof | undefined> {
    return this.session.read((query) => proveTask(query, this.id));
  }

  #patience(signal: AbortSignal | undefined) {
    return { timeout: this.timeout, ...(signal && { signal }) };
  }

  async #clearLeftOver(user: string): Promise<void> {
    const there = await this.session.read(haveTasks);
    if (there)
      await this.session.writeOne(
        `DELETE FROM asl_schema.asl_screening_tasks
         WHERE user_id = $1 AND created_at < now() - interval '${LEFT_OVER_S} s'`,
        [user],
      );
  }
}

function isOver(proof: Proof | undefined): boolean {
  return proof?.status !== 'pending' && proof?.status !== 'processing';
}

function problemsOf(id: string, proof: Proof, limit: number): string[] {
  const { status, total, once, twice, missing, foreign, contradictions } = proof;
  if (!isOver(proof))
    return [`task ${id} was still ${status} after ${limit} ms: ${once} of ${total} items`];
  return [
    ...(status === 'completed' ? [] : [`task ${id} has ended as ${status}`]),
    ...(twice > 0 ? [`${twice} of ${total} items are in the results more than once`] : []),
    ...(missing > 0 ? [`${missing} of ${total} items are missing in the results`] : []),
    ...(foreign > 0 ? [`${foreign} results are of items that the task does not have`] : []),
    ...contradictions,
  ];
}
