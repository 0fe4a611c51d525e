import { messageOf } from '../errors.js';
import type { Path } from './problems.js';
import { isAlias, isMap, isSeq, LineCounter, parseDocument } from './yaml.js';

/** Line and column, both counted from 1. */
export interface Place {
  line: number;
  column: number;
}

export interface SyntaxProblem {
  message: string;
  place: Place | undefined;
  hint?: string;
}

/** A configuration file's value, and where in the text each part of it stands. */
export interface ConfigDocument {
  value: unknown;
  /** The first fault of the syntax; what the parser says after one mostly follows from it. */
  syntax: SyntaxProblem | undefined;
  /** Where the value at `path` begins; for one that is missing, what it is missing from. */
  placeOf(path: Path): Place | undefined;
}

type Document = ReturnType<typeof parseDocument>;

/** Parses YAML (JSON is YAML). No message repeats a value: it may be a password that lacks quotes. */
export function readDocument(text: string): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const [fault] = [...document.errors, ...document.warnings];
  let syntax = fault && describe(fault, text, placeAt(fault.pos[0]));
  let value: unknown;
  try {
    if (!syntax) value = document.toJS();
  } catch (error) {
    // The message names the alias, which is the rest of a value that begins with *.
    const message = messageOf(error).startsWith('Unresolved alias') ? BAD_ALIAS : messageOf(error);
    syntax = { message, place: undefined };
  }
  return {
    value,
    syntax,
    placeOf(path) {
      const offset = offsetOf(document, path);
      return offset === undefined ? undefined : placeAt(offset);
    },
  };
}

const BAD_ALIAS = 'a value begins with * and is no alias: put it in quotes';

const SAID_BETTER: Record<string, string> = {
  DUPLICATE_KEY: 'this key is there twice',
  MULTIPLE_DOCS: 'a second document begins here (---); expected one',
  // Left alone, `password: !x` would quietly be an empty password.
  TAG_RESOLVE_FAILED: 'a value begins with ! and is no tag: put it in quotes',
};

function describe(
  { code, message }: { code: string; message: string },
  text: string,
  place: Place,
): SyntaxProblem {
  const line = text.split('\n')[place.line - 1] ?? '';
  return {
    message: SAID_BETTER[code] ?? withoutSource(message),
    place,
    // A { within { } or [ ] opens a mapping, also after a $.
    ...(/[{[].*[^"']\$\{/.test(line) && { hint: 'within { } and [ ] quote it: "${NAME}"' }),
  };
}

/** Without the piece of the file that some of the parser's messages end with. */
function withoutSource(message: string): string {
  return message.replace(/:.*$/s, '').replace(/ \\.*$/s, '');
}

function offsetOf(document: Document, path: Path): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const part of path) {
    const holder = isAlias(node) ? node.resolve(document) : node;
    if (isMap(holder)) {
      const pair = holder.items.find(({ key }) => String(key) === String(part));
      if (!pair) break;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(holder)) {
      node = holder.items[Number(part)];
      offset = startOf(node) ?? offset;
    } else break;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] | null } | null | undefined)?.range?.[0];
}
