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
  if (value.length === 24) {
    const usual = usualMoment(value);
    if (!Number.isNaN(usual)) return usual;
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

const DAYS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** `2024-06-07T10:00:00.000Z`, as JavaScript writes it, in a fraction of the time; NaN for anything else. */
function usualMoment(text: string): number {
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = twoDigits(text, 17);
  const tenths = twoDigits(text, 20);
  const last = text.charCodeAt(22) - 48;
  if (
    text.charCodeAt(4) !== 45 ||
    text.charCodeAt(7) !== 45 ||
    text.charCodeAt(10) !== 84 ||
    text.charCodeAt(13) !== 58 ||
    text.charCodeAt(16) !== 58 ||
    text.charCodeAt(19) !== 46 ||
    text.charCodeAt(23) !== 90
  )
    return Number.NaN;
  // The 29th of February, a leap second, the first century: left to the form with all of its rules.
  if (year < 100 || month < 1 || month > 12 || day < 1 || day > (DAYS[month] as number))
    return Number.NaN;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
    return Number.NaN;
  if (tenths < 0 || last < 0 || last > 9) return Number.NaN;
  const ms = ((hour * 60 + minute) * 60 + second) * 1_000 + tenths * 10 + last;
  return daysTo(year, month, day) * 86_400_000 + ms;
}

/** Negative where it is no number of two digits; two of them are never added up to one that is. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? -100_000 : tens * 10 + ones;
}

/** Days since 1970 by the Gregorian calendar, the year counted from March. */
function daysTo(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const m = month > 2 ? month - 3 : month + 9;
  const century = (y / 100) | 0;
  const leaps = (y >> 2) - century + (century >> 2);
  return 365 * y + leaps + (((153 * m + 2) / 5) | 0) + day - 719_469;
}

function offsetOf(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z' || zone === 'z') return 0;
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}
