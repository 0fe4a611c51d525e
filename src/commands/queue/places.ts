import { CacheOpsError } from '../../errors.js';
import type { Place } from '../../queues/bulk/choose.js';
import { fullName } from '../../queues/names.js';
import { type Estate, unread } from './estate.js';

/**
 * The queues to work on: the named ones, those that have the ids, or all there are. Refuses when a
 * source cannot be read and might have had one of them: half of what was asked for is a surprise.
 */
export async function placesFor(
  estate: Estate,
  names: readonly string[],
  ids?: readonly string[],
): Promise<{ places: Place[]; missing: string[] }> {
  const dead = names.length === 0 ? unread(estate.sources) : undefined;
  if (dead) {
    throw new CacheOpsError('connect', `${dead}; nothing was changed`, 'name a queue with --queue');
  }
  const places = await estate.named(names);
  if (!ids) return { places, missing: [] };
  const chosen = new Set<Place['ref']>();
  const missing: string[] = [];
  const holders = await Promise.all(ids.map((id) => estate.holding(places, id)));
  for (const [index, held] of holders.entries()) {
    const id = ids[index] as string;
    if (held.length > 1) throw ambiguous(id, held);
    const [only] = held;
    const place = places.find(
      ({ engine, ref }) => engine === only?.engine && fullName(ref) === fullName(only.ref),
    );
    if (place) chosen.add(place.ref);
    else missing.push(id);
  }
  return { places: places.filter(({ ref }) => chosen.has(ref)), missing };
}

function ambiguous(id: string, held: readonly Place[]): CacheOpsError {
  const names = held.map(({ ref }) => fullName(ref));
  return new CacheOpsError(
    'usage',
    `job ${id} is in ${held.length} queues: ${names.join(', ')}`,
    `say which: --queue ${names[0]}`,
  );
}
