import { bytesText, countText, percentText } from '../words.js';
import type { Report, ReportGroup, ReportKey } from './report.js';

/** Something to be done, and the line that looks at it closer, where one can. */
export interface Advice {
  text: string;
  command?: string;
}

/** Above these a single key is worth a look: it blocks the server when it is read or removed whole. */
const LARGE = { bytes: 1024 ** 2, elements: 10_000 };
const MOST_KEYS = 3;
/** Characters of a name in a sentence. */
const NAME = 40;
/** Less of all bytes is not worth a word. */
const SHARE = 0.05;

/** What an operator would look at next, the most worthwhile first. */
export function advise(report: Report): Advice[] {
  if (report.totals.keys === 0) return [];
  return [...forever(report), ...large(report)];
}

function forever({ tree, totals, source }: Report): Advice[] {
  const group = foreverIn(tree);
  if (group === tree || group.no_ttl_bytes < totals.bytes * SHARE) return [];
  const share = percentText(group.no_ttl_bytes / totals.bytes);
  const what = `${countText(group.no_ttl)} keys with ${bytesText(group.no_ttl_bytes)}, ${share} of all`;
  const glob = globOf(group);
  return [
    {
      text: `The most that never expires is in ${shorten(group.pattern, NAME)}: ${what}. If it is a cache, give its keys a time to live.`,
      ...(glob && source !== 'rdb' && { command: `cache-ops keys ls ${glob}` }),
    },
  ];
}

/** The deepest group that has most of what never expires. */
function foreverIn(group: ReportGroup): ReportGroup {
  const [most] = [...group.children].sort((a, b) => b.no_ttl_bytes - a.no_ttl_bytes);
  const isMost = most && (group.pattern === '' || most.no_ttl_bytes > group.no_ttl_bytes / 2);
  return isMost ? foreverIn(most) : group;
}

function large({ top, top_by_type, source }: Report): Advice[] {
  const ofTypes = Object.values(top_by_type).flat();
  const keys = new Map([...top, ...ofTypes].map((key) => [`${key.db} ${key.key}`, key]));
  const found = [...keys.values()]
    .filter(({ bytes, elements }) => bytes > LARGE.bytes || (elements ?? 0) > LARGE.elements)
    .sort((a, b) => b.bytes - a.bytes);
  const shown = found.slice(0, MOST_KEYS).map((key) => {
    const elements = key.elements === null ? '' : `, ${countText(key.elements)} elements`;
    const name = shellWord(key);
    const db = key.db === 0 ? '' : ` --db ${key.db}`;
    return {
      text: `${shorten(key.key, NAME)} is large (${key.type}, ${bytesText(key.bytes)}${elements}): split it, or remove it with UNLINK, never DEL.`,
      ...(name && source !== 'rdb' && { command: `cache-ops memory key ${name}${db}` }),
    };
  });
  const more = found.length - shown.length;
  if (more === 0) return shown;
  return [
    ...shown,
    {
      text: `${more} more of the largest keys are over ${bytesText(LARGE.bytes)} or ${countText(LARGE.elements)} elements.`,
    },
  ];
}

/** The middle of a long name left out. */
export function shorten(text: string, most = 80): string {
  return text.length <= most ? text : `${text.slice(0, most - 23)}...${text.slice(-20)}`;
}

/** A key as a shell takes it; undefined when it cannot be typed. */
function shellWord({ key, key_base64 }: ReportKey): string | undefined {
  return key_base64 === undefined ? quoted(key) : undefined;
}

function globOf({ pattern, children }: ReportGroup): string | undefined {
  // What sets its children off: the groups of `a` and of `ab` are not the same.
  const separator = children[0]?.pattern.charAt(pattern.length) ?? '';
  const glob = `${pattern}${separator}`.replace(/[*?[\]\\]/g, '\\$&').replace(ANY, '*');
  // All keys, which says nothing.
  if (/^\W*\*$/.test(glob)) return undefined;
  return quoted(children.length > 0 ? `${glob}*` : glob);
}

const ANY = /\{(?:id|other)\}/g;

function quoted(text: string): string | undefined {
  if (text.length > 200 || !/^[\x20-\x7e]*$/.test(text)) return undefined;
  return /^[\w:./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
