import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { codeOf, messageOf } from '../errors.js';
import type { Environment } from './environment.js';
import type { Path, Problem } from './problems.js';

interface Source {
  env: Environment;
  /** `{ file: path }` is relative to it. */
  folder: string;
  /** Told of each reference that leads nowhere; it then stays as it is written. */
  problem: (problem: Problem) => void;
}

/** `${NAME}` or `${NAME:-default}`. */
const VARIABLE = /\$\{(\w+)(?::-([^}]*))?\}/g;

/**
 * Replaces `${NAME}` by the environment's value and `{ file: path }` by the file's text, anywhere
 * in a configuration. Commands under `control` are left as they are: the shell that runs them
 * knows the environment, and a drill's journal on disk must hold no secret.
 */
export function resolveReferences(value: unknown, source: Source, path: Path = []): unknown {
  if (typeof value === 'string') return interpolate(value, source, path);
  if (Array.isArray(value)) {
    return value.map((item, index) => resolveReferences(item, source, [...path, index]));
  }
  if (isFileReference(value)) return fileText(value, source, path);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === 'control' ? item : resolveReferences(item, source, [...path, key]),
    ]),
  );
}

/** Is it `{ file: path }`, and nothing more? */
export function isFileReference(value: unknown): value is { file: string } {
  if (value === null || typeof value !== 'object') return false;
  const [only, ...others] = Object.entries(value);
  return only?.[0] === 'file' && typeof only[1] === 'string' && others.length === 0;
}

/** What stands in the text itself once references are taken out; their defaults stand in it. */
export function literalPart(text: string): string {
  return text.replace(VARIABLE, (_, __, fallback?: string) => fallback ?? '');
}

function interpolate(text: string, { env, problem }: Source, path: Path): string {
  return text.replace(VARIABLE, (reference, name: string, fallback?: string) => {
    const value = env[name] || fallback;
    if (value !== undefined) return value;
    problem({
      path,
      message: `the environment variable ${name} is not set`,
      unset: name,
      hint: `set ${name}, or write a default: \${${name}:-value}`,
    });
    return reference;
  });
}

function fileText(reference: { file: string }, { folder, problem }: Source, path: Path): unknown {
  try {
    return readFileSync(resolve(folder, reference.file), 'utf8').trimEnd();
  } catch (error) {
    problem({
      path,
      message: `cannot read ${reference.file} (${codeOf(error) ?? messageOf(error)})`,
    });
    return reference;
  }
}
