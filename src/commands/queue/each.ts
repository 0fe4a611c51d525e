import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import type { Place } from '../../queues/bulk/choose.js';
import type { Engine } from '../../queues/engine.js';
import { problemOf, type Source } from './estate.js';
import type { Problem } from './result.js';

/** So many queues are read at a time: the way to a server takes longer than the answer. */
const AT_ONCE = 4;

/**
 * Does something with each queue, `width` at a time. What cannot be read does not hide the rest: it is
 * a problem in the answer. After a failure of its server the other queues of it are not tried.
 */
export async function eachQueue(
  context: Context,
  places: readonly Place[],
  work: (place: Place) => Promise<void>,
  width = AT_ONCE,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  const dead = new Set<Engine>();
  const queue = places[Symbol.iterator]();
  const worker = async () => {
    for (const place of queue) {
      const { engine, ref } = place;
      if (dead.has(engine)) continue;
      try {
        context.signal.throwIfAborted();
        await work(place);
      } catch (error) {
        const problem = await problemOf(context, engine, error);
        const known = dead.has(engine);
        // What the tool says itself concerns the queue, anything else the server.
        const own = error instanceof CacheOpsError && error.code !== 'connect';
        if (!own) dead.add(engine);
        if (own) problems.push({ ...ref, problem });
        else if (!known)
          problems.push({
            engine: engine.name,
            source: engine.source,
            scope: null,
            queue: null,
            problem,
          });
      }
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return problems;
}

/** The sources that could not be read at all. They concern whoever has not named a queue elsewhere. */
export function deadSources(sources: readonly Source[]): Problem[] {
  return sources.flatMap(({ engine, source, problem }) =>
    problem === null ? [] : { engine, source, scope: null, queue: null, problem },
  );
}
