import type { Masters } from '../keys/masters.js';
import { fromBytes } from '../keys/names.js';
import { escapeGlob } from '../keys/pattern.js';
import { walkKeys } from '../keys/walk.js';

/** Entries of a cache by the first segment of their keys. */
export interface ModuleFacts {
  module: string;
  keys: number;
  /** By MEMORY USAGE; null where the server does not say. */
  bytes: number | null;
  /** Entries that never expire. */
  no_ttl: number;
}

/** Modules that are told apart. */
const MOST = 1_000;

/** The entries under `prefix` (bytes), by module, the largest first. Reads only. */
export async function countModules(
  masters: Masters,
  prefix: string,
  signal: AbortSignal,
): Promise<ModuleFacts[]> {
  const modules = new Map<string, ModuleFacts>();
  const { no_sizes } = await walkKeys(
    masters,
    { match: `${escapeGlob(prefix)}*`, facts: true, sizes: true },
    ({ keys }) => {
      for (const { key, ttl_ms, bytes } of keys) {
        const [first = ''] = fromBytes(key.slice(prefix.length)).text.split(':');
        const module = modules.has(first) || modules.size < MOST ? first : 'others';
        const facts = modules.get(module) ?? { module, keys: 0, bytes: 0, no_ttl: 0 };
        facts.keys += 1;
        facts.bytes = (facts.bytes ?? 0) + (bytes ?? 0);
        facts.no_ttl += Number(ttl_ms === null);
        modules.set(module, facts);
      }
    },
    signal,
  );
  signal.throwIfAborted();
  const all = [...modules.values()].map((one) => (no_sizes ? { ...one, bytes: null } : one));
  return all.sort((a, b) => (b.bytes ?? b.keys) - (a.bytes ?? a.keys));
}

/** One entry to be stored; `ttl` in seconds. */
export interface Entry {
  /** Bytes. */
  key: string;
  json: string;
  ttl: number;
}

/** Stores entries that are not there; returns how many were stored. */
export async function store(
  masters: Masters,
  prefix: string,
  entries: readonly Entry[],
): Promise<number> {
  const commands = entries.map(({ key, json, ttl }) => [
    ...['SET', prefix + key, Buffer.from(json, 'utf8').toString('latin1')],
    ...['NX', 'EX', ttl],
  ]);
  const replies = await masters.ask(masters.nodes[0], commands);
  const failed = replies.find((reply) => reply instanceof Error);
  if (failed instanceof Error) throw failed;
  return replies.filter((reply) => reply === 'OK').length;
}
