import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { status } from '../../output/format.js';
import { type Consent, consent } from '../../prompt.js';
import { queueRef } from '../../queues/bulk/store.js';
import { audited } from '../audited.js';
import { withEstate } from './estate.js';
import { placesFor } from './places.js';

type Verb = 'pause' | 'resume';

interface Flags extends Consent {
  dryRun?: boolean;
}

const pauseResult = z.extend(queueRef, {
  /** What the queue is now; after a dry run, what it still is not. */
  paused: z.boolean(),
  result: z.enum(['done', 'already', 'would be done']),
});
export type PauseResult = z.infer<typeof pauseResult>;

export function registerPause(topic: Command, context: Context): void {
  register(topic, context, 'pause', 'workers take no more jobs of a queue; what runs goes on');
  register(topic, context, 'resume', 'workers take jobs of a paused queue again');
}

function register(topic: Command, context: Context, verb: Verb, summary: string): void {
  topic
    .command(verb)
    .description(summary)
    .argument('<queue>', 'the queue: name, scope:name or source/scope:name')
    .option('--dry-run', 'say whether it would change anything, and do nothing')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <queue>', "the queue's name, needed in production")
    .addHelpText(
      'after',
      `
BullMQ 5 and 6 note a pause differently, and mixing the two loses jobs: it is noted as the queue's
applications do it, and refused (exit 6) where that cannot be told. pg-boss has no pause.

Examples:
  $ cache-ops queue ${verb} mail
  $ cache-ops queue ${verb} mail --confirm mail             in production`,
    )
    .action(async (name: string, flags: Flags) =>
      emit(context, await setPaused(context, name, verb, flags), renderPause),
    );
}

export async function setPaused(
  context: Context,
  name: string,
  verb: Verb,
  flags: Flags,
): Promise<PauseResult> {
  const paused = verb === 'pause';
  return withEstate(context, {}, async (estate) => {
    const { places } = await placesFor(estate, [name]);
    const [place, ...others] = places;
    if (!place || others.length > 0) {
      throw new CacheOpsError(
        'usage',
        `${places.length} queues are called ${name}`,
        `say which: ${places.map(({ ref }) => `${ref.source}/${ref.scope}:${ref.queue}`).join(', ')}`,
      );
    }
    const { engine, ref } = place;
    const reason = await engine.readOnlyBecause(ref);
    if (reason) throw new CacheOpsError('refused', `${ref.queue} may only be read: ${reason}`);
    if (flags.dryRun) {
      const result = await engine.setPaused(ref, paused, { dry: true });
      return pauseResult.parse(
        result === 'done'
          ? { ...ref, paused: !paused, result: 'would be done' }
          : { ...ref, paused, result },
      );
    }
    const asked = paused ? 'Pause' : 'Resume';
    await consent(context, `${asked} ${ref.queue} (${ref.source})?`, ref.queue, flags);
    const result = await engine.setPaused(ref, paused);
    if (result === 'done') {
      const target = `${ref.source} ${ref.scope}:${ref.queue}`;
      audited(context, { action: `queue ${verb}`, target, result });
    }
    return pauseResult.parse({ ...ref, paused, result });
  });
}

export function renderPause({ queue, source, scope, paused, result }: PauseResult): Block[] {
  const now = paused ? 'paused' : 'not paused';
  const notes = {
    done: paused
      ? `${queue} is paused. Jobs that run go on; new ones wait.`
      : `${queue} is not paused any more.`,
    already: `${queue} was ${now} already, nothing was changed.`,
    'would be done': `${queue} is ${now}; that would be changed.`,
  };
  return [
    {
      table: {
        columns: ['queue', 'source', 'scope', 'state', 'result'],
        rows: [[queue, source, scope, status(now, paused ? 'warn' : 'ok'), result]],
      },
    },
    { note: notes[result], tone: result === 'done' ? 'ok' : 'dim' },
  ];
}
