import { CacheOpsError } from '../../errors.js';
import { type Channel, demand } from '../../redis/channel.js';
import type { Reply } from '../../redis/resp.js';
import type { QueueRef } from '../queue.js';
import { key } from './keys.js';
import { PAUSE, RESUME } from './lua/pause.js';
import { evaluate, script } from './scripts.js';

const pause = script(PAUSE);
const resume = script(RESUME);

/** Jobs that one step of a resume merges: few enough that other clients do not notice. */
const MERGE = 1000;

/** Where a paused queue keeps its waiting jobs: BullMQ 5 in `paused`, BullMQ 6 in `wait`. */
export type Layout = 5 | 6;

/** What a queue shows of the layout that its applications use. */
interface Evidence {
  paused: boolean;
  version: string | null;
  waiting: number;
  collected: number;
}

/**
 * Stops workers from taking jobs, or lets them again. A pause in the wrong layout loses jobs at the
 * application's own resume: BullMQ 5 renames `paused` over `wait`.
 */
export async function setPaused(
  channel: Channel,
  ref: QueueRef,
  paused: boolean,
  { layout, dry }: { layout?: Layout | undefined; dry: boolean },
): Promise<'done' | 'already'> {
  const evidence = await evidenceOf(channel, ref);
  if (paused) return hold(channel, ref, evidence, { layout, dry });
  if (dry) return evidence.paused || evidence.collected > 0 ? 'done' : 'already';
  return release(channel, ref);
}

async function hold(
  channel: Channel,
  ref: QueueRef,
  evidence: Evidence,
  { layout, dry }: { layout?: Layout | undefined; dry: boolean },
) {
  if (isMixed(evidence, layout)) throw mixed(ref);
  if (evidence.paused) return 'already';
  const chosen = layout ?? layoutOf(evidence.version);
  if (!chosen) {
    throw new CacheOpsError(
      'refused',
      `which BullMQ uses ${ref.queue} is not known (${evidence.version ?? 'no version noted'})`,
      `a pause in the wrong layout loses jobs. ${SAY_WHICH}`,
    );
  }
  if (dry) return 'done';
  const reply = await evaluate(channel, pause, keysOf(ref), [chosen]);
  if (reply === 'missing') throw missing(ref);
  if (reply === 'mixed') throw mixed(ref);
  return reply === 'already' ? 'already' : 'done';
}

async function release(channel: Channel, ref: QueueRef) {
  let changed = false;
  for (;;) {
    const reply = await evaluate(channel, resume, keysOf(ref), [MERGE]);
    if (reply === 'already') return changed ? 'done' : 'already';
    changed = true;
    if (Number(reply) === 0) return 'done';
  }
}

async function evidenceOf(channel: Channel, ref: QueueRef): Promise<Evidence> {
  const [exists, meta, waiting, collected] = (
    await channel.pipeline([
      ['EXISTS', key(ref.scope, ref.queue, 'meta')],
      ['HMGET', key(ref.scope, ref.queue, 'meta'), 'paused', 'version'],
      ['LLEN', key(ref.scope, ref.queue, 'wait')],
      ['LLEN', key(ref.scope, ref.queue, 'paused')],
    ])
  ).map((reply) => demand(reply));
  // BullMQ's own pause would create the keys of a queue that is not there.
  if (exists !== 1) throw missing(ref);
  const [paused, version] = meta as Reply[];
  return {
    paused: paused !== null,
    version: typeof version === 'string' ? version : null,
    waiting: Number(waiting),
    collected: Number(collected),
  };
}

/** Both layouts have left their traces, or the traces are not those of the version that is noted. */
function isMixed(
  { paused, version, waiting, collected }: Evidence,
  layout: Layout | undefined,
): boolean {
  if (!paused) return collected > 0;
  // Told which of them it is, there is nothing to be done about a pause that is there already.
  if (layout !== undefined) return false;
  if (collected > 0) return waiting > 0 || layoutOf(version) === 6;
  return waiting > 0 && layoutOf(version) === 5;
}

/** `version` is that of the last Queue object opened on it, not of its workers: all there is to go by. */
function layoutOf(version: string | null): Layout | undefined {
  const major = Number(/^bullmq:(\d+)\./.exec(version ?? '')?.[1]);
  return major === 5 || major === 6 ? major : undefined;
}

function keysOf({ scope, queue }: QueueRef): string[] {
  return ['meta', 'wait', 'paused', 'marker', 'events', 'prioritized', 'delayed'].map((part) =>
    key(scope, queue, part),
  );
}

const SAY_WHICH =
  'Where all its applications use one, say which in the configuration: queues: [{ engine: bullmq, ..., version: 5 }] (or 6)';

const missing = ({ scope, queue }: QueueRef) =>
  new CacheOpsError('not_found', `there is no queue ${queue} under ${scope}`);

const mixed = ({ queue }: QueueRef) =>
  new CacheOpsError(
    'refused',
    `BullMQ 5 and 6 both use ${queue}: a pause would lose jobs`,
    `bring its applications to one major version; cache-ops queue resume ${queue} merges what both have collected. ${SAY_WHICH}`,
  );
