import { COLOURS, type Colour } from './colour.js';
import { type Group, SIZES, type Size, type Tree } from './groups.js';

/** What the page shows; the URL's hash says all of it, so that Back, reload and a sent link work. */
export interface Place {
  group: Group;
  size: Size;
  colour: Colour;
}

export function readPlace(tree: Tree, hash: string): Place {
  const said = new URLSearchParams(hash.replace(/^#/, ''));
  const at = said.get('at');
  return {
    group: (at === null ? undefined : tree.find(at)) ?? tree.root,
    size: oneOf(SIZES, said.get('size')) ?? 'bytes',
    colour: oneOf(COLOURS, said.get('colour')) ?? 'ttl',
  };
}

export function hashOf({ group, size, colour }: Place): string {
  const said = new URLSearchParams();
  if (group.parent && group.pattern !== undefined) said.set('at', group.pattern);
  if (size !== 'bytes') said.set('size', size);
  if (colour !== 'ttl') said.set('colour', colour);
  return `#${said}`;
}

function oneOf<Name extends string>(
  names: Record<Name, unknown>,
  name: string | null,
): Name | null {
  return name !== null && Object.hasOwn(names, name) ? (name as Name) : null;
}
