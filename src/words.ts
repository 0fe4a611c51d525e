// Figures as a person says them. Pure, so that a domain folder may use them in a sentence;
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

function short(value: number): string {
  return value.toFixed(Math.abs(value) < 10 && value % 1 !== 0 ? 1 : 0);
}
