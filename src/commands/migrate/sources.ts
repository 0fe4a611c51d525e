import { resolve } from 'node:path';
import type { Config } from '../../config/load.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import type { Shape } from '../../migration/shape.js';
import { type Format, fileSource, stdinSource } from '../../migration/sources/file.js';
import type { Source } from '../../migration/sources/source.js';

export interface SourceOptions {
  shape: Shape;
  format?: Format | undefined;
  largest: number;
}

/** A source and how it is named in a plan: never with a secret. */
export interface NamedSource {
  source: Source;
  given: string;
}

/** What `--from` names. */
export async function sourceNamed(
  context: Context,
  _config: Config,
  text: string,
  options: SourceOptions,
): Promise<NamedSource> {
  if (text === '-') {
    const stdin = () => context.stdin() as AsyncIterable<Buffer>;
    return { given: '-', source: stdinSource(stdin, options) };
  }
  if (/^[a-z]+:\/\//.test(text))
    throw new CacheOpsError('usage', `--from: a source of this kind is not known`);
  const path = resolve(context.cwd, text);
  return { given: path, source: fileSource(path, options) };
}
