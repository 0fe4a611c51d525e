import type * as z from 'zod/mini';
import { nearest } from './nearest.js';

/** Where a value stands in the configuration: `['redis', 'main', 'url']`. */
export type Path = readonly (string | number)[];

/** The part of any value at a path; undefined where there is none. */
export function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (part, key) => (part as Record<string | number, unknown> | null | undefined)?.[key],
    value,
  );
}

/** One thing that is wrong. The message never repeats a value that may be a secret. */
export interface Problem {
  path: Path;
  message: string;
  hint?: string;
  /** The variable that is not set. */
  unset?: string;
}

/**
 * What zod is to say instead of its own words. An unknown key gets a line for each key, which
 * `problemsOf` takes apart: only here, while zod checks, are the known keys at hand.
 */
export const issueMessage: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return typeMessage(issue.expected, issue.input);
    case 'invalid_value':
      return `expected ${issue.values.length === 1 ? '' : 'one of '}${issue.values.join(', ')}`;
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(key, issue.inst)).join('\n');
    case 'invalid_union':
      return Array.isArray(issue.options)
        ? `expected one of ${issue.options.join(', ')}`
        : undefined;
    case 'too_small':
      return issue.origin === 'array' || issue.origin === 'string'
        ? 'must not be empty'
        : `must be at least ${issue.minimum}`;
    default:
      return undefined;
  }
};

/** zod's findings as problems, one for each thing to correct. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], base: Path = []): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const path = [
      ...base,
      ...issue.path.map((part) => (typeof part === 'number' ? part : String(part))),
    ];
    if (issue.code === 'unrecognized_keys') {
      const messages = issue.message.split('\n');
      return issue.keys.map((key, index) => ({
        path: [...path, key],
        message: messages[index] ?? '',
      }));
    }
    if (issue.code === 'invalid_key')
      return problemsOf(issue.issues).map((inner) => ({ ...inner, path }));
    if (issue.code === 'invalid_union' && issue.errors.length > 0)
      return unionProblems(issue.errors, path);
    return [{ path, message: issue.message }];
  });
}

/** Of the ways a value may be written, the one that was meant: whose outermost type fits. */
function unionProblems(ways: readonly z.core.$ZodIssue[][], path: Path): Problem[] {
  const meant = ways.find((issues) =>
    issues.every(({ code, path: inner }) => code !== 'invalid_type' || inner.length > 0),
  );
  if (meant) return problemsOf(meant, path);
  const messages = ways.flat().map(({ message }) => message);
  const [found] = messages.flatMap((message) => /, found .*/.exec(message)?.[0] ?? []);
  const expected = messages.map((message) => message.replace(/^expected |, found .*/g, ''));
  return [{ path, message: `expected ${expected.join(' or ')}${found ?? ''}` }];
}

function unknownKey(key: string, inst: unknown): string {
  const known = Object.keys(
    (inst as { _zod?: { def?: { shape?: object } } })?._zod?.def?.shape ?? {},
  );
  const hint = nearest(key, known);
  return `unknown key "${key}"${hint.startsWith('did') ? `, ${hint}` : ` (${hint})`}`;
}

const TYPES: Record<string, string> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function typeMessage(expected: string, input: unknown): string {
  const wanted = `expected ${TYPES[expected] ?? expected}`;
  if (input === undefined) return `is missing; ${wanted}`;
  const quote = expected === 'string' && ['number', 'boolean'].includes(typeof input);
  return `${wanted}, found ${kindOf(input)}${quote ? ' (put it in quotes)' : ''}`;
}

function kindOf(input: unknown): string {
  if (input === null) return 'nothing';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'number' && Number.isNaN(input)) return 'something else';
  return TYPES[typeof input] ?? typeof input;
}
