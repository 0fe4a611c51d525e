// Figures and names as a person reads them. Pure, so that a domain folder may use them in a sentence;
// `output/format.ts` pairs them with the value that a pipe gets.

/** Bytes in binary units, as redis.conf and INFO have them: `1.5 GB` is 1.5 x 1024^3. */
export function bytesText(value: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${short(scaled)} ${units[unit]}`;
}

/** Whole or broken numbers with thousands separated: `12,345`. */
export function countText(value: number): string {
  const [whole = '', part] = String(Math.round(value * 10) / 10).split('.');
  // toLocaleString would load the tables of ICU, which costs a short command 12 ms.
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return part === undefined ? grouped : `${grouped}.${part}`;
}

/** A ratio of 0 to 1: `82 %`. */
export function percentText(ratio: number): string {
  return `${short(ratio * 100)} %`;
}

/** Milliseconds: `0.42 ms`, `1.5 s`, `3h 20m`. */
export function spanText(ms: number): string {
  return ms < 1_000 ? `${ms.toFixed(ms < 10 ? 2 : 0)} ms` : age(ms / 1_000);
}

/** Seconds: `1.5 s`, `12m 3s`, `4h 10m`, `3d 2h`. */
export function age(seconds: number): string {
  if (seconds < 60) return `${short(seconds)} s`;
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

/** Invisible marks too: a key's name must not look like another's. Emoji keep their joiner. */
const CONTROL =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** Text that is safe on a terminal and in one TSV field: control characters become `\x1b` and the like. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => {
    const named = { '\n': '\\n', '\t': '\\t', '\r': '\\r' }[character];
    const code = character.charCodeAt(0);
    const digits = code.toString(16);
    return (
      named ?? (code < 256 ? `\\x${digits.padStart(2, '0')}` : `\\u${digits.padStart(4, '0')}`)
    );
  });
}

function short(value: number): string {
  return value.toFixed(Math.abs(value) < 10 && value % 1 !== 0 ? 1 : 0);
}
