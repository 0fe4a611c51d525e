import { resolve } from 'node:path';
import type { Config } from '../../config/load.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { pathOf, type Shape } from '../../migration/shape.js';
import { type Format, fileSource, stdinSource } from '../../migration/sources/file.js';
import { type FollowedSource, httpSource } from '../../migration/sources/http.js';

export interface SourceOptions {
  shape: Shape;
  format?: Format | undefined;
  largest: number;
}

/** A source and how it is named in a plan: never with a secret. */
export interface NamedSource {
  source: FollowedSource;
  given: string;
}

/** What `--from` names. */
export async function sourceNamed(
  context: Context,
  config: Config,
  text: string,
  options: SourceOptions,
): Promise<NamedSource> {
  if (text === '-') {
    const stdin = () => context.stdin() as AsyncIterable<Buffer>;
    return { given: '-', source: stdinSource(stdin, options) };
  }
  if (text.startsWith('app:')) return { given: text, source: application(context, config, text) };
  const path = resolve(context.cwd, text);
  return { given: path, source: fileSource(path, options) };
}

/** `app:NAME`: a route of an application, in `migration.sources` of the configuration. */
function application({ settings }: Context, { migration }: Config, text: string): FollowedSource {
  const name = text.slice('app:'.length);
  const { sources } = migration;
  const found = Object.hasOwn(sources, name) ? sources[name] : undefined;
  if (!found) {
    const known = Object.keys(sources).join(', ');
    throw new CacheOpsError(
      'not_found',
      `migration.sources has no "${name}"`,
      known === '' ? 'the configuration needs its url and token' : `there is ${known}`,
    );
  }
  return httpSource({
    ...found,
    name,
    entries: pathOf(found.entries),
    next: pathOf(found.next),
    timeout: settings.timeout,
  });
}
