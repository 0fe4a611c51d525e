import { printable } from '../words.js';

/** HTML that is whole already; everything else is text and is escaped where it is put in. */
export class Markup {
  constructor(readonly text: string) {}
}

type Piece = string | Markup | readonly Markup[] | null;

/**
 * Builds HTML. Strings that are put in are shown as they are: no character of them is markup, and
 * control characters and marks of direction appear as escapes. Null puts in nothing.
 */
export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Markup {
  const text = strings.reduce((built, string, index) => built + put(pieces[index - 1]) + string);
  return new Markup(text);
}

function put(piece: Piece | undefined): string {
  if (piece === null || piece === undefined) return '';
  if (piece instanceof Markup) return piece.text;
  if (typeof piece === 'string') return escaped(piece);
  return piece.map(({ text }) => text).join('');
}

function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
