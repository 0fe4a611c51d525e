import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { CacheOpsError, codeOf, messageOf } from '../errors.js';
import type { Environment } from './environment.js';

interface Source {
  env: Environment;
  folder: string;
  file: string;
}

/**
 * Replaces `${NAME}` by the environment's value and `{ file: path }` by the file's text, anywhere
 * in a configuration. Commands under `control` are left as they are: the shell that runs them
 * knows the environment, and a drill's journal on disk must hold no secret.
 */
export function resolveReferences(value: unknown, source: Source, path: string[] = []): unknown {
  if (typeof value === 'string') return interpolate(value, source, path);
  if (Array.isArray(value)) {
    return value.map((item, index) => resolveReferences(item, source, [...path, String(index)]));
  }
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value);
  const [only] = entries;
  if (only && entries.length === 1 && only[0] === 'file' && typeof only[1] === 'string') {
    return fileText(only[1], source, path);
  }
  return Object.fromEntries(
    entries.map(([key, item]) => [
      key,
      key === 'control' ? item : resolveReferences(item, source, [...path, key]),
    ]),
  );
}

function interpolate(text: string, { env, file }: Source, path: string[]): string {
  return text.replace(/\$\{(\w+)(?::-([^}]*))?\}/g, (_, name: string, fallback?: string) => {
    const value = env[name] || fallback;
    if (value !== undefined) return value;
    throw new CacheOpsError(
      'config',
      `${file}: ${path.join('.')}: the environment variable ${name} is not set`,
      `set ${name}, or write a default: \${${name}:-value}`,
    );
  });
}

function fileText(name: string, { folder, file }: Source, path: string[]): string {
  try {
    return readFileSync(resolve(folder, name), 'utf8').trimEnd();
  } catch (error) {
    throw new CacheOpsError(
      'config',
      `${file}: ${path.join('.')}: cannot read ${name} (${codeOf(error) ?? messageOf(error)})`,
    );
  }
}
