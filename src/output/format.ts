import { age, bytesText, countText, percentText, spanText } from '../words.js';
import type { Figure, Tone } from './blocks.js';

export { printable } from '../words.js';

/** Of what `printable` escapes, what JSON leaves as it is and a terminal obeys. Some terminals obey U+009B as they do ESC [. */
const CONTROL_IN_JSON = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** One line of JSON that is safe on a terminal too; it reads back as the same value. */
export function json(value: unknown): string {
  return JSON.stringify(value).replace(
    CONTROL_IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const NOTHING: Figure = { value: null, text: '-', tone: 'dim' };
type Maybe = number | null | undefined;

/** Bytes in binary units: `1.5 GB`. */
export function bytes(value: Maybe, tone?: Tone): Figure {
  if (value === null || value === undefined) return NOTHING;
  return figure(Math.round(value), bytesText(value), tone);
}

/** Milliseconds: `0.42 ms`, `1.5 s`, `3h 20m`. The value keeps microseconds. */
export function ms(value: Maybe, tone?: Tone): Figure {
  if (value === null || value === undefined) return NOTHING;
  return figure(Math.round(value * 1_000) / 1_000, spanText(value), tone);
}

/** Seconds: `12m 3s`, `3d 2h`. */
export function seconds(value: Maybe, tone?: Tone): Figure {
  if (value === null || value === undefined) return NOTHING;
  return figure(value, age(value), tone);
}

/** Whole or broken numbers with thousands separated: `12,345`. */
export function count(value: Maybe, tone?: Tone): Figure {
  if (value === null || value === undefined) return NOTHING;
  return figure(value, countText(value), tone);
}

/** A ratio of 0 to 1 as a percentage. */
export function percent(ratio: Maybe, tone?: Tone): Figure {
  if (ratio === null || ratio === undefined) return NOTHING;
  return figure(Math.round(ratio * 10_000) / 10_000, percentText(ratio), tone);
}

/** A status word in its colour. */
export function status(word: Tone | string, tone: Tone = word as Tone): Figure {
  return { value: word, text: word, tone };
}

function figure(value: number, text: string, tone?: Tone): Figure {
  return tone ? { value, text, tone } : { value, text };
}
