/** `-1`, 0 or 1, by up to three numbers with points: `7.2.11` is above `7.2.9`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (let at = 0; at < 3; at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

/** Of versions given, none lost. */
export function highestVersion(versions: readonly string[]): string | undefined {
  return [...versions].sort(compareVersions).at(-1);
}

/** How a list of faults is told: the first ones by name. */
export function named(ids: readonly string[]): string {
  const FIRST = 4;
  const more = ids.length - FIRST;
  return `${ids.slice(0, FIRST).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
