import type { Channel } from '../../redis/channel.js';
import { demand } from '../../redis/channel.js';
import type { Engine } from '../engine.js';
import type { Chosen, Operation, Result } from '../operation.js';
import type { QueueRef } from '../queue.js';
import { key } from './keys.js';
import { Lanes } from './lanes.js';
import { CANCEL } from './lua/cancel.js';
import { PROMOTE } from './lua/promote.js';
import { REMOVE } from './lua/remove.js';
import { RETRY } from './lua/retry.js';
import type { Nodes } from './nodes.js';
import { type Layout, setPaused } from './pause.js';
import { areFree, areReadable, isFinished, retryPlain } from './retrying.js';
import { evaluate, evaluateReading, type Script, script } from './scripts.js';

type Writer = Pick<Engine, 'readOnlyBecause' | 'preview' | 'apply' | 'setPaused'>;

const SCRIPTS: Record<Exclude<Operation['type'], 'redrive'>, Script> = {
  retry: script(RETRY),
  cancel: script(CANCEL),
  remove: script(REMOVE),
  promote: script(PROMOTE),
};

/**
 * Jobs of one call, and calls on their way at once. The server may run all of these through before it
 * lets another client in: together about a millisecond.
 */
const CHUNK = 100;
const LANES = 2;
/** Entries of lists that one call may walk through to take jobs out of them. */
const WALK = 200_000;

/** A worker that does not notice a cancellation is given this long to end before a retry is allowed. */
const HOLD = 10 * 60_000;

/** How much is on its way at once: in general, and where a call may walk through long lists. */
interface Pace {
  lanes: Lanes;
  alone: Lanes;
}

/** One job as a script answers: result, detail, parents, children, scheduler. */
export type Answer = [result: Result, detail: string, ...involved: (string | undefined)[]];

/**
 * Every change is a script on the server that looks at the job once more before it moves it.
 * `layouts`: of prefixes whose applications are known to use this BullMQ.
 */
export function writer(nodes: Nodes, layouts: ReadonlyMap<string, Layout> = new Map()): Writer {
  const pace: Pace = { lanes: new Lanes(LANES), alone: new Lanes(1) };
  return {
    async readOnlyBecause(ref) {
      const channel = await nodes.of(ref);
      const version = demand(
        await channel.send('HGET', key(ref.scope, ref.queue, 'meta'), 'version'),
      );
      return unknownLayout(version);
    },
    async preview(ref, operation, jobs) {
      const answers = await decide(await nodes.of(ref), ref, operation, jobs, true, pace);
      return answers.map(([result, becomes, parents = '', children = '', scheduler = ''], at) => ({
        id: (jobs[at] as Chosen).id,
        result,
        becomes,
        parents: lines(parents),
        children: lines(children),
        scheduler: scheduler || null,
      }));
    },
    async apply(ref, operation, jobs, noted) {
      await noted;
      const answers = await decide(await nodes.of(ref), ref, operation, jobs, false, pace);
      const { engine, source, scope, queue } = ref;
      return answers.map(([result, detail], at) => {
        const { id } = jobs[at] as Chosen;
        return { engine, source, scope, queue, id, result, detail };
      });
    },
    setPaused: async (ref, paused, { dry = false } = {}) =>
      setPaused(await nodes.of(ref), ref, paused, { layout: layouts.get(ref.scope), dry }),
  };
}

/** `meta` holds `bullmq:6.7.0`, or nothing. BullMQ 4 and Pro keep their jobs otherwise. */
function unknownLayout(version: unknown): string | undefined {
  if (typeof version !== 'string' || /^bullmq:[56]\./.test(version)) return undefined;
  return `the layout of ${version} is not known`;
}

/**
 * An answer for each job, in order. A preview runs the very script up to its first change, so that
 * it decides as the change itself would.
 */
async function decide(
  channel: Channel,
  ref: QueueRef,
  operation: Operation,
  jobs: readonly Chosen[],
  dry: boolean,
  pace: Pace,
): Promise<Answer[]> {
  if (operation.type === 'redrive') {
    return jobs.map(() => ['conflict', 'BullMQ has no dead letters: retry it where it failed']);
  }
  const { type } = operation;
  const { scope, queue } = ref;
  const cascade = operation.type === 'remove' && operation.cascade;
  const judged = async (chunk: readonly Chosen[]) => {
    if (chunk.length === 0) return [];
    const numbers = [Date.now(), Number(dry), Number(cascade), HOLD];
    const args = [key(scope, queue, ''), `${scope}:`, ...numbers];
    for (const { id, seen } of chunk) args.push(id, seen);
    const run = dry ? evaluateReading : evaluate;
    const reply = await run(channel, SCRIPTS[type], [key(scope, queue, 'meta')], args);
    const [answers, given] = reply as unknown as [Answer[], number[]];
    return given.map((number) => answers[number - 1] as Answer);
  };
  if (type === 'retry') {
    const plain = !dry && jobs.every(isFinished) && (await areFree(channel, ref, jobs, HOLD));
    return pace.lanes.over(jobs, CHUNK, (chunk) => retried(chunk, plain));
  }
  if (dry || type === 'promote') return pace.lanes.over(jobs, CHUNK, judged);
  return pace.alone.over(jobs, await bearable(channel, scope, queue), judged);

  async function retried(chunk: readonly Chosen[], plain: boolean): Promise<Answer[]> {
    const answers = plain ? await retryPlain(channel, ref, chunk) : chunk.map(() => undefined);
    const rest = chunk.filter((_, at) => answers[at] === undefined);
    if (rest.length === 0) return answers as Answer[];
    const readable = await areReadable(
      channel,
      ref,
      rest.map(({ id }) => id),
    );
    const others = await judged(rest.filter((_, at) => readable[at]));
    const told = rest.map((_, at) => (readable[at] ? (others.shift() as Answer) : UNREADABLE));
    return answers.map((answer) => answer ?? (told.shift() as Answer));
  }
}

const UNREADABLE: Answer = ['conflict', 'its data is not JSON: no worker could read it'];

/** So many jobs that taking each out of the middle of a list stays within the bounds. */
async function bearable(channel: Channel, scope: string, queue: string): Promise<number> {
  const lists = ['wait', 'paused'].map((part) => ['LLEN', key(scope, queue, part)]);
  const [waiting, paused] = (await channel.pipeline(lists)).map((reply) => Number(demand(reply)));
  const length = (waiting ?? 0) + (paused ?? 0);
  return Math.max(1, Math.min(CHUNK, Math.floor(WALK / (length + 1))));
}

const lines = (text: string) => text.split('\n').filter(Boolean);
