import { isUtf8 } from 'node:buffer';
import { CacheOpsError, messageOf } from '../../errors.js';
import type { Read } from '../entry.js';
import type { Path } from '../shape.js';
import { valueAt } from '../shape.js';
import { elementsOf, spanAt } from '../spans.js';
import type { Source } from './source.js';

export interface HttpOptions {
  /** Its name in the configuration. */
  name: string;
  url: string;
  token?: string | undefined;
  /** Where a page has its entries and the cursor of the next page. */
  entries: Path;
  next: Path;
  /** A route that gives what has changed since. */
  changes?: string | undefined;
  /** Milliseconds for each page. */
  timeout: number;
}

/** A source that also tells what has changed since it was read. */
export interface FollowedSource extends Source {
  /** What has changed since the last reading, or since this was called last; undefined: read all again. */
  changed?(): Source;
}

const PAGE = 500;
/** A page of more bytes is not taken into memory. */
const LARGEST_PAGE = 64 * 1024 * 1024;

/** A route of an application that gives its state page by page. */
export function httpSource(options: HttpOptions): FollowedSource {
  const { name, url, changes } = options;
  let since: string | undefined;
  const source: FollowedSource = {
    description: `application ${name}`,
    unit: 'entry',
    again: true,
    async *read(signal) {
      const first = new URL(url);
      for await (const { reads, page } of pages(first, 'cursor', options, signal)) {
        // Of the first page: what changes while the others are read is followed, too.
        since ??= textOf(page.last_change);
        yield reads;
      }
    },
  };
  if (changes === undefined) return source;
  return {
    ...source,
    read(signal) {
      since = undefined;
      return source.read(signal);
    },
    changed: () => ({
      ...source,
      async *read(signal) {
        const from = new URL(changes);
        if (since !== undefined) from.searchParams.set('since', since);
        for await (const { reads, next } of pages(from, 'since', options, signal)) {
          since = next ?? since;
          yield reads;
        }
      },
    }),
  };
}

interface Page {
  reads: Read[];
  page: Record<string, unknown>;
  next: string | undefined;
}

async function* pages(
  first: URL,
  parameter: string,
  options: HttpOptions,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  let place = 1;
  for (const url = new URL(first); ; ) {
    url.searchParams.set('limit', String(PAGE));
    const text = await fetchPage(url, options, signal);
    const page = parsed(text, options);
    const span = spanAt(text, options.entries);
    if (!span || !Array.isArray(valueAt(page, options.entries)))
      throw broken(options, `has no list at /${options.entries.join('/')}`);
    const elements = elementsOf(text, span);
    const reads = elements.map(
      ({ from, to }): Read => ({ place: place++, text: text.subarray(from, to) }),
    );
    const next = textOf(valueAt(page, options.next));
    yield { reads, page, next };
    // A page of changes always says how far it goes; an empty one is the end.
    if (next === undefined || elements.length === 0) return;
    if (url.searchParams.get(parameter) === next)
      throw broken(options, `gives the same cursor again: ${next}`);
    url.searchParams.set(parameter, next);
  }
}

async function fetchPage(url: URL, options: HttpOptions, signal: AbortSignal): Promise<Buffer> {
  const { token, timeout } = options;
  const limit = AbortSignal.timeout(timeout);
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      // A token must not go where a redirection leads.
      redirect: 'manual',
      signal: AbortSignal.any([signal, limit]),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw broken(options, `answered ${response.status}`, response.status);
    }
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > LARGEST_PAGE)
        throw broken(options, `gives a page of more than ${LARGEST_PAGE} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CacheOpsError) throw error;
    const { cause } = error as Error;
    throw broken(
      options,
      limit.aborted ? `did not answer within ${timeout} ms` : messageOf(cause ?? error),
    );
  }
}

function parsed(text: Buffer, options: HttpOptions): Record<string, unknown> {
  try {
    if (!isUtf8(text)) throw new Error();
    const page: unknown = JSON.parse(text.toString('utf8'));
    if (typeof page === 'object' && page !== null) return page as Record<string, unknown>;
  } catch {
    // It is said below.
  }
  throw broken(options, 'answers with something that is no JSON object');
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;

function broken({ name }: HttpOptions, what: string, status?: number): CacheOpsError {
  const hint =
    status === 401 || status === 403
      ? `the token of migration.sources.${name} is not accepted`
      : undefined;
  return new CacheOpsError('connect', `the source ${name} ${what}`, hint);
}
