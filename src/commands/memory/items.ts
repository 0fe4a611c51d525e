import { parseCount, size } from '../../config/units.js';
import { CacheOpsError } from '../../errors.js';
import type { Item } from '../../memory/capacity.js';

const FORM = 'write it as NAME=COUNTxSIZE: results=1000x50kb';

/** The items of `--item` with the globs of `--from-live`; a usage error for each way to get it wrong. */
export function parseItems(items: readonly string[], live: readonly string[]): Item[] {
  if (items.length === 0) throw wrong('an --item is missing: what is to be stored?', FORM);
  const globs = new Map(live.map(parseLive));
  const parsed = items.map((text) => parseItem(text, globs));
  const names = parsed.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw wrong(`--item: "${twice}" is given twice`);
  const stranger = [...globs.keys()].find((name) => !names.includes(name));
  if (stranger !== undefined)
    throw wrong(`--from-live: no --item is named "${stranger}"`, `items: ${names.join(', ')}`);
  return parsed;
}

function parseItem(text: string, globs: ReadonlyMap<string, string>): Item {
  const at = text.indexOf('=');
  if (at < 0) throw wrong(`--item: "${text}" has no "="`, FORM);
  const name = text.slice(0, at).trim();
  if (name === '') throw wrong(`--item: "${text}" has no name`, FORM);
  const [number = '', bytes, ...more] = text.slice(at + 1).split(/[x×]/i);
  if (number.trim() === '') throw wrong(`--item: "${text}" has no count`, FORM);
  if (more.length > 0) throw wrong(`--item: "${text}" has more than one "x"`, FORM);
  const count = parseCount(number.trim(), `--item ${name}`);
  const live = globs.get(name);
  if (bytes === undefined) {
    if (live !== undefined) return { name, count, size: undefined, live };
    throw wrong(
      `--item: "${text}" has no size`,
      `${FORM}; or let live keys say it: --from-live '${name}=pattern:*'`,
    );
  }
  const each = size(bytes);
  if (each === undefined || each === 0)
    throw wrong(`--item ${name}: "${bytes}" is not a size`, 'write it as 500b, 10kb, 1.5mb or 1gb');
  return { name, count, size: each, live };
}

function parseLive(text: string): [name: string, glob: string] {
  const at = text.indexOf('=');
  const [name, glob] = [text.slice(0, Math.max(0, at)).trim(), text.slice(at + 1)];
  if (name === '' || glob === '')
    throw wrong(
      `--from-live: "${text}" is not an item and a pattern`,
      "write it as NAME=GLOB: 'results=asl:llm:*'",
    );
  return [name, glob];
}

/** A size in bytes given by flag `name`; a usage error otherwise. */
export function parseSize(text: string, name: string): number {
  const bytes = size(text);
  if (bytes === undefined)
    throw wrong(`${name}: "${text}" is not a size`, 'write it as 10kb, 256mb or 1gb');
  return bytes;
}

function wrong(message: string, hint?: string): CacheOpsError {
  return new CacheOpsError('usage', message, hint);
}
