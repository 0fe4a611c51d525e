import type { Figure, Tone } from './blocks.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Text that is safe on a terminal and in one TSV field: control characters become `\x1b` and the like. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => {
    const named = { '\n': '\\n', '\t': '\\t', '\r': '\\r' }[character];
    const code = character.charCodeAt(0);
    return (
      named ?? (code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`)
    );
  });
}

const NOTHING: Figure = { value: null, text: '-', tone: 'dim' };
type Maybe = number | null | undefined;

/** Bytes in binary units, as redis.conf and INFO have them: `1.5 GB` is 1.5 x 1024^3. */
export function bytes(value: Maybe, tone?: Tone): Figure {
  if (value === null || value === undefined) return NOTHING;
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return figure(Math.round(value), `${trim(scaled)} ${units[unit]}`, tone);
}

/** Milliseconds: `0.42 ms`, `1.5 s`, `3h 20m`. The value keeps microseconds. */
export function ms(value: Maybe, tone?: Tone): Figure {
  if (value === null || value === undefined) return NOTHING;
  const exact = Math.round(value * 1_000) / 1_000;
  if (value < 1_000)
    return figure(exact, `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`, tone);
  return figure(exact, age(value / 1_000), tone);
}

/** Whole or broken numbers with thousands separated: `12,345`. */
export function count(value: Maybe, tone?: Tone): Figure {
  if (value === null || value === undefined) return NOTHING;
  return figure(value, value.toLocaleString('en-US', { maximumFractionDigits: 1 }), tone);
}

/** A ratio of 0 to 1 as a percentage. */
export function percent(ratio: Maybe, tone?: Tone): Figure {
  if (ratio === null || ratio === undefined) return NOTHING;
  return figure(Math.round(ratio * 10_000) / 10_000, `${trim(ratio * 100)} %`, tone);
}

/** Seconds as a person says them: `1.5 s`, `12m 3s`, `4h 10m`, `3d 2h`. */
export function age(seconds: number): string {
  if (seconds < 60) return `${trim(seconds)} s`;
  const whole = Math.round(seconds);
  const [d, h, m, s] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3_600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  if (d > 0) return `${d}d ${h}h`;
  return h > 0 ? `${h}h ${m}m` : `${m}m ${s}s`;
}

/** A status word in its colour. */
export function status(word: Tone | string, tone: Tone = word as Tone): Figure {
  return { value: word, text: word, tone };
}

function figure(value: number, text: string, tone?: Tone): Figure {
  return tone ? { value, text, tone } : { value, text };
}

function trim(value: number): string {
  return value.toFixed(Math.abs(value) < 10 && value % 1 !== 0 ? 1 : 0);
}
