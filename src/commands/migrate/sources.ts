import { resolve } from 'node:path';
import type { Config } from '../../config/load.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { toBytes } from '../../keys/names.js';
import type { Kind } from '../../migration/kinds.js';
import { pathOf, type Shape } from '../../migration/shape.js';
import { type Format, fileSource, stdinSource } from '../../migration/sources/file.js';
import type { FollowedSource } from '../../migration/sources/http.js';
import { postgresTargets } from '../../postgres/target.js';
import { targetNamed } from './place.js';

export interface SourceOptions {
  shape: Shape;
  format?: Format | undefined;
  largest: number;
  kind: Exclude<Kind, 'jobs'>;
  /** What stands before `task:import:` in the keys of a source that has keys. */
  prefix: string;
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
  if (options.kind === 'keys' && !isRedis(text))
    throw new CacheOpsError(
      'usage',
      `--kind keys moves the keys of a Redis, and ${text} is none`,
      '--from redis:NAME or a redis:// URL',
    );
  if (text === '-') {
    const stdin = () => context.stdin() as AsyncIterable<Buffer>;
    return { given: '-', source: stdinSource(stdin, options) };
  }
  const { kind, largest, prefix } = options;
  const limits = { timeout: context.settings.timeout };
  if (isRedis(text)) {
    const target = targetNamed(config, text);
    // A URL may hold a password, and a plan is not the place for one.
    const given = Object.hasOwn(config.redis, target.name) ? text : `redis:${target.name}`;
    const { redisSource } = await import('../../migration/sources/redis.js');
    const source = redisSource({ target, kind, prefix: toBytes(prefix), largest, limits });
    return { given, source };
  }
  if (text.startsWith('postgres:')) {
    const [name = '', table = 'app_cache'] = text.slice('postgres:'.length).split('/');
    const target = postgresTargets(config).find((one) => one.name === name);
    if (!target) throw new CacheOpsError('not_found', `no Postgres is named "${name}"`);
    // With it comes the client of Postgres, which takes a fifth of a short command's time to load.
    const { appCacheSource } = await import('../../migration/sources/app-cache.js');
    const source = appCacheSource({
      target,
      table,
      kind: kind as 'tasks',
      prefix,
      largest,
      limits,
    });
    return { given: text, source };
  }
  if (text.startsWith('app:'))
    return { given: text, source: await application(context, config, text) };
  const path = resolve(context.cwd, text);
  return { given: path, source: fileSource(path, options) };
}

const isRedis = (text: string) => /^(redis:|rediss:|unix:)/.test(text);

/** `app:NAME`: a route of an application, in `migration.sources` of the configuration. */
async function application(
  { settings }: Context,
  { migration }: Config,
  text: string,
): Promise<FollowedSource> {
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
  const { httpSource } = await import('../../migration/sources/http.js');
  return httpSource({
    ...found,
    name,
    entries: pathOf(found.entries),
    next: pathOf(found.next),
    timeout: settings.timeout,
  });
}
