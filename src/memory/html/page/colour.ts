import { bytesText, percentText } from '../../../words.js';
import type { Group } from './groups.js';

/** What the colour of a cell says. */
export const COLOURS = { ttl: 'Share without TTL', average: 'Average size' } as const;
export type Colour = keyof typeof COLOURS;

/** Five steps a scale; each begins at its bound. */
const BOUNDS: Record<Colour, readonly number[]> = {
  ttl: [0, 0.05, 0.25, 0.5, 0.9],
  average: [0, 256, 1_024, 10_240, 102_400],
};

/** Step 1 to 5. */
export function stepOf(group: Group, colour: Colour): number {
  const value = colour === 'ttl' ? shareWithoutTtl(group) : group.average;
  return Math.max(1, BOUNDS[colour].filter((bound) => value >= bound).length);
}

/** The same in words: colour is never the only sign. */
export function colourText(group: Group, colour: Colour): string {
  return colour === 'ttl'
    ? `${percentText(shareWithoutTtl(group))} without TTL`
    : `${bytesText(group.average)} a key`;
}

/** Of the bytes, 0 to 1. */
export function shareWithoutTtl({ bytes, noTtlBytes }: Group): number {
  return bytes > 0 ? noTtlBytes / bytes : 0;
}

/** What each step stands for, from low to high. */
export function legend(colour: Colour): string[] {
  const words = colour === 'ttl' ? percentText : bytesText;
  const bounds = BOUNDS[colour];
  return bounds.map((bound, index) => {
    const next = bounds[index + 1];
    if (next === undefined) return `${words(bound)} and more`;
    return index === 0 ? `under ${words(next)}` : `from ${words(bound)}`;
  });
}
