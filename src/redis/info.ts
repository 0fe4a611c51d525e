/** The fields of an INFO reply. */
export type Info = Record<string, string>;

/** The fields of an INFO reply. No field is certain: versions, forks and rights differ. */
export function parseInfo(text: string): Info {
  const fields: Info = {};
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return fields;
}

/** A field as a number; null where it is not there, never a guess. */
export function numberIn(info: Info, field: string): number | null {
  const text = info[field];
  if (text === undefined || text === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

/** The role it says it has. */
export function roleIn(info: Info): 'master' | 'replica' | 'sentinel' | null {
  const role = info.role ?? (info.redis_mode === 'sentinel' ? 'sentinel' : undefined);
  if (role === 'slave') return 'replica';
  return role === 'master' || role === 'sentinel' ? role : null;
}

/** Valkey names Redis 7.2.4 for the sake of old clients, and its own version beside it. */
export function versionIn(info: Info): string | null {
  return info.valkey_version ? `valkey ${info.valkey_version}` : (info.redis_version ?? null);
}

/** One database of the key space; times in ms. */
export interface Database {
  db: number;
  keys: number;
  /** Of these, keys with a time to live. */
  expires: number;
  avg_ttl_ms: number;
}

/** `db0:keys=3,expires=1,avg_ttl=0`, one line a database that has keys. */
export function databasesIn(info: Info): Database[] {
  return Object.entries(info).flatMap(([name, text]) => {
    if (!/^db\d+$/.test(name)) return [];
    const fields = new Map(text.split(',').map((pair) => pair.split('=') as [string, string]));
    const field = (key: string) => Number(fields.get(key) ?? 0);
    return {
      db: Number(name.slice(2)),
      keys: field('keys'),
      expires: field('expires'),
      avg_ttl_ms: field('avg_ttl'),
    };
  });
}

/** All keys; null where the server says nothing of itself. */
export function keysIn(info: Info): number | null {
  if (info.redis_version === undefined) return null;
  return databasesIn(info).reduce((sum, { keys }) => sum + keys, 0);
}
