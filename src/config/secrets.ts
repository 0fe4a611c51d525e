import { at, type Path } from './problems.js';
import { isFileReference, literalPart } from './references.js';

/** What stands where a secret was. */
export const HIDDEN = '***';

/** A field of this name holds a secret. */
const SECRET_NAME =
  /pass(word|wd|phrase)?$|pwd$|secret|token|credential|authorization|cookie|signature|^sig$|api[-_]?key|access[-_]?key|private[-_]?key/i;
/** What a shell command is told a password with; `$NAME` is none, the shell knows it. */
const SECRET_FLAG =
  /((?:redis|valkey)-cli\b[^;&|]*?\s-a\s+|\s--(?:pass|requirepass|masterauth)[ =]+|\b\w*(?:PASSWORD|PASSWD|SECRET|TOKEN|_AUTH)=)(?!["']?\$)("[^"]*"|'[^']*'|[^\s;&|]+)/gi;
const URL_START = /^[a-z][\w+.-]*:\/\//i;

/**
 * A configuration without its secrets, for the eye. `raw` is the same as written, and tells which
 * values are from `{ file: path }`: those are secrets unless they are URLs, which keep their host.
 */
export function redact(value: unknown, raw: unknown, path: Path = []): unknown {
  if (typeof value === 'string') return redactText(value, raw, path);
  if (Array.isArray(value))
    return value.map((item, index) => redact(item, at(raw, [index]), [...path, index]));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, redact(item, at(raw, [key]), [...path, key])]),
  );
}

/** `redis://user:pa%40ss@host` as `redis://user:***@host`; query parameters that hold secrets too. */
export function redactUrl(url: string): string {
  const bare = url.replace(/([?&])([^=&#]*)=([^&#]+)/g, (whole, mark, name) =>
    SECRET_NAME.test(decoded(name)) ? `${mark}${name}=${HIDDEN}` : whole,
  );
  const [start = ''] = URL_START.exec(bare) ?? [];
  // The last @ before the path ends the password; one in a later place is a password with a bare / in it.
  const authority = /^[^/?#]*@/.test(bare.slice(start.length));
  const account =
    authority || /^https?:/i.test(start) ? /^([^/?#:]*):([^/?#]+)@/ : /^([^:@?]*):([^?]+)@/;
  return start + bare.slice(start.length).replace(account, `$1:${HIDDEN}@`);
}

/** The paths at which a secret stands in the file itself, rather than a reference to it. */
export function literalSecrets(raw: unknown, path: Path = []): Path[] {
  if (typeof raw === 'string') {
    const literal = literalPart(raw);
    // Most headers are no secret, though all are hidden.
    if (path.at(-2) === 'headers' && !SECRET_NAME.test(String(path.at(-1)))) return [];
    return redact(literal, literal, path) === literal ? [] : [path];
  }
  if (raw === null || typeof raw !== 'object' || isFileReference(raw)) return [];
  return Object.entries(raw).flatMap(([key, item]) => literalSecrets(item, [...path, key]));
}

function redactText(value: string, raw: unknown, path: Path): string {
  const field = String(path.at(-1) ?? '');
  if (value === '') return value;
  if (SECRET_NAME.test(field) || path.at(-2) === 'headers') return HIDDEN;
  if (path.includes('control')) return redactUrls(value).replace(SECRET_FLAG, `$1${HIDDEN}`);
  if ((path.includes('sinks') || field === 'heartbeat') && /^https?:/i.test(value))
    return redactHook(value);
  if (URL_START.test(value)) return redactUrl(value);
  return isFileReference(raw) ? HIDDEN : redactUrls(value);
}

function redactUrls(text: string): string {
  return text.replace(/[a-z][\w+.-]*:\/\/[^\s"']+/gi, redactUrl);
}

/** Whoever knows the path of a chat's webhook may write to the chat. */
function redactHook(url: string): string {
  if (!URL.canParse(url)) return HIDDEN;
  const { origin, pathname, search } = new URL(url);
  return pathname + search === '/' ? redactUrl(url) : `${origin}/${HIDDEN}`;
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
