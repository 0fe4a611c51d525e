import type { Report, ReportGroup, ReportKey } from '../report.js';

/**
 * One group of the tree: where its parent is in the list (-1: the root), then its names and figures.
 * A tuple, since 20,000 of them are in one page.
 */
export type PageNode = [
  parent: number,
  pattern: string,
  segment: string,
  keys: number,
  bytes: number,
  average: number,
  p99: number,
  max: number,
  noTtl: number,
  noTtlBytes: number,
  between: [keysLow: number, keysHigh: number, bytesLow: number, bytesHigh: number] | null,
];

/** `cut`: how many characters the name has, where only the first of them are here. */
export type PageKey = ReportKey & { cut?: number };

/** What the script of the page works with: the parts of a report that react. */
export interface PageData {
  nodes: PageNode[];
  keys: PageKey[];
  /** Places in `keys`. */
  top: number[];
  byType: [type: string, places: number[]][];
}

/** A name may have a megabyte, and there may be a thousand of them. */
const NAME_LIMIT = 2_048;

export function pageData(report: Report): PageData {
  const keys: PageKey[] = [];
  const places = new Map<string, number>();
  const place = (key: ReportKey): number => {
    const name = JSON.stringify([key.server, key.db, key.key_base64 ?? key.key]);
    const known = places.get(name);
    if (known !== undefined) return known;
    places.set(name, keys.push(short(key)) - 1);
    return keys.length - 1;
  };
  return {
    nodes: flat(report.tree),
    top: report.top.map(place),
    byType: Object.entries(report.top_by_type).map(([type, top]) => [type, top.map(place)]),
    keys,
  };
}

/**
 * JSON for a script element that is data: nothing in it can end the element or open a comment, and
 * nothing in it is anything but ASCII.
 * https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements
 */
export function embeddable(data: PageData): string {
  return JSON.stringify(data).replace(
    /[<>&]|[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function short(key: ReportKey): PageKey {
  if (key.key.length <= NAME_LIMIT) return key;
  const { key_base64: _, ...rest } = key;
  return { ...rest, key: key.key.slice(0, NAME_LIMIT), cut: key.key.length };
}

/** Parents before their children, without recursion: a tree may be as deep as a key has parts. */
function flat(root: ReportGroup): PageNode[] {
  const nodes: PageNode[] = [];
  const open: [parent: number, group: ReportGroup][] = [[-1, root]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [parent, group] = next;
    const at = nodes.push(node(parent, group)) - 1;
    for (const child of group.children) open.push([at, child]);
  }
  return nodes;
}

function node(parent: number, group: ReportGroup): PageNode {
  const { keys_between: k, bytes_between: b } = group;
  return [
    parent,
    group.pattern,
    group.segment,
    group.keys,
    group.bytes,
    group.average,
    group.p99,
    group.max,
    group.no_ttl,
    group.no_ttl_bytes,
    k && b ? [k.low, k.high, b.low, b.high] : null,
  ];
}
