import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const servers = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'cache-ops',
  'servers',
);

/** The path of a program: PATH first, then system folders, then what test/bootstrap.mjs brought. */
export function binary(name: string): string | undefined {
  const folders = [
    ...(process.env.PATH ?? '').split(':'),
    ...versions('/usr/lib/postgresql').map((version) => join(version, 'bin')),
    ...['redis', 'postgres', 'shells', 'browser', 'alertmanager', 'engine'].map((kind) =>
      join(servers, kind, 'bin'),
    ),
  ];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export function demandBinary(name: string): string {
  const found = binary(name);
  if (!found) throw new Error(`${name} is not there: run node test/bootstrap.mjs`);
  return found;
}

function versions(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(folder, version));
}
