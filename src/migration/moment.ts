const FORM =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)? ?(Z|[+-]\d\d:?(?:\d\d)?)?$/i;

/** Before 1973 in ms and after 5138 in s: nothing of an application's. */
const SECONDS_BELOW = 100_000_000_000;

/**
 * A time as applications write it, in milliseconds since 1970 with fractions: ISO 8601 with up to
 * nanoseconds (Python's isoformat has six digits), a space for the T, seconds or milliseconds since
 * 1970 as a number. A time without a zone is UTC: what it means does not depend on this machine.
 * NaN when it is none of these.
 */
export function momentOf(value: unknown): number {
  if (typeof value === 'number') return value < SECONDS_BELOW ? value * 1_000 : value;
  if (typeof value !== 'string') return Number.NaN;
  // What JavaScript writes, without the regular expression.
  if (value.length === 24 && value.charCodeAt(23) === 90) {
    const plain = Date.parse(value);
    if (!Number.isNaN(plain)) return plain;
  }
  const found = FORM.exec(value);
  if (!found) return Number.NaN;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = found;
  const [y, m, d] = [Number(year), Number(month), Number(day)];
  const whole = Date.UTC(y, m - 1, d, Number(hour), Number(minute), Number(second));
  const date = new Date(Date.UTC(y, m - 1, d));
  // The 31st of June would be the 1st of July.
  if (date.getUTCDate() !== d || date.getUTCMonth() !== m - 1) return Number.NaN;
  if (Number(hour) > 24 || Number(minute) > 59 || Number(second) > 60) return Number.NaN;
  return whole + Number(`0.${fraction || '0'}`) * 1_000 - offsetOf(zone);
}

function offsetOf(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z' || zone === 'z') return 0;
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}
