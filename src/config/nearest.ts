import { closestMatch } from 'leven';

/** A hint for a name that is not there: the nearest one, or all of them. */
export function nearest(name: string, known: readonly string[]): string {
  if (known.length === 0) return 'none is configured';
  const match = closestMatch(name, [...known], {
    maxDistance: Math.max(2, Math.floor(name.length / 3)),
  });
  return match ? `did you mean ${match}?` : `known: ${known.join(', ')}`;
}
