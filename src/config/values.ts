// What values of the configuration are made of.
import * as z from 'zod/mini';
import { duration, size } from './units.js';

/**
 * A part that most files leave out: its schema is made where one is first read, as making all of them
 * costs every start ten milliseconds. `optional` looks into its inner schema for a default (zod 4.6),
 * which would make it at once; no part has one.
 */
export function part<T extends z.core.$ZodType>(make: () => T): z.ZodMiniLazy<T> {
  const schema = z.lazy(make);
  schema._zod.optin = undefined;
  return schema;
}

export const whole = () => z.int().check(z.nonnegative());
export const filled = () => z.string().check(z.minLength(1));
export const text = (description: string) => z.string().check(z.describe(description));

/** A number, or text that `parse` makes one of. */
const measured = (parse: (text: string) => number | undefined, expected: string) =>
  z.pipe(
    z.union([whole(), z.string()]),
    z.transform((value, context) => {
      const number = typeof value === 'number' ? value : parse(value);
      if (number !== undefined) return number;
      const message = `"${value}" is not ${expected}`;
      context.issues.push({ code: 'custom', input: value, message });
      return z.NEVER;
    }),
  );

export const sizeText = measured(size, 'a size; write 10kb, 256mb or 1gb');
export const durationText = measured(duration, 'a duration; write 500ms, 2s, 5m or 1h');

export const urlText = (...protocols: string[]) =>
  z.string().check(
    z.superRefine((value, issue) => {
      const message = urlProblem(value, protocols);
      if (message) issue.addIssue({ code: 'custom', message });
    }),
  );

/** What is wrong with a URL, without repeating it: it may hold a password. */
function urlProblem(value: string, protocols: string[]): string | undefined {
  const expected = protocols.map((protocol) => `${protocol}//`).join(', ');
  if (value === '') return `is empty; expected ${expected}`;
  if (!URL.canParse(value))
    return `is not a URL; expected ${expected} (is a special character in the password not percent-encoded?)`;
  // What stands before the first colon may be a password where the scheme is left out.
  return protocols.includes(new URL(value).protocol)
    ? undefined
    : `does not start with ${expected}`;
}

export const name = z
  .string()
  .check(z.regex(/^[\w.-]+$/, 'a name has letters, digits, ".", "_" and "-" only'));
