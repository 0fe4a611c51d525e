import { performance } from 'node:perf_hooks';
import type { ApplicationConfig } from '../config/schema.js';
import { messageOf } from '../errors.js';

/** An application of the configuration: the HTTP side of the estate. */
export interface Application {
  name: string;
  config: ApplicationConfig;
}

/** What one request came to. `ms` is the time to the whole answer, or to the failure. */
export interface Answer {
  ok: boolean;
  ms: number;
  status?: number;
  error?: string;
}

/** `mode` is unknown when there is no answer, or the answer does not name one. */
export interface HealthAnswer extends Answer {
  mode: 'redis' | 'memory' | 'unknown';
}

export interface Limits {
  /** Milliseconds for the whole answer. */
  timeout: number;
  signal?: AbortSignal;
}

/** Asks the application which cache mode it is in. */
export async function readHealth({ config }: Application, limits: Limits): Promise<HealthAnswer> {
  const { text, ...answer } = await request(config, 'GET', config.health, limits);
  if (!answer.ok) return { ...answer, mode: 'unknown' };
  const value = atPointer(text, config.mode.at);
  if (value === config.mode.redis) return { ...answer, mode: 'redis' };
  if (value === config.mode.memory) return { ...answer, mode: 'memory' };
  const said =
    value === undefined
      ? `has no ${config.mode.at}`
      : `says ${JSON.stringify(value)} at ${config.mode.at}`;
  return { ...answer, ok: false, mode: 'unknown', error: `the health answer ${said}` };
}

/** Writes `value` (no quotes or backslashes in it) under `key` through the application's cache route. */
export async function writeKey(
  { config }: Application,
  key: string,
  value: string,
  limits: Limits,
): Promise<Answer> {
  const [method, url] = route(config, config.probe?.write, key);
  const { text: _, ...answer } = await request(
    config,
    method,
    url,
    limits,
    config.probe?.body.replaceAll('{value}', value),
  );
  return answer;
}

/** Reads `key` and holds the answer against `value`; a missing or other value is not ok. */
export async function readKey(
  { config }: Application,
  key: string,
  value: string,
  limits: Limits,
): Promise<Answer> {
  const [method, url] = route(config, config.probe?.read, key);
  const { text, ...answer } = await request(config, method, url, limits);
  if (answer.status === 404) return { ...answer, ok: false, error: 'the value is missing' };
  if (answer.ok && !text.includes(value))
    return { ...answer, ok: false, error: 'another value was read' };
  return answer;
}

/** Removes `key`; undefined where the application has no route for it. */
export async function deleteKey(
  { config }: Application,
  key: string,
  limits: Limits,
): Promise<Answer | undefined> {
  if (!config.probe?.delete) return undefined;
  const [method, url] = route(config, config.probe.delete, key);
  const { text: _, ...answer } = await request(config, method, url, limits);
  return answer;
}

/** Method and URL of one of the probe's templates for a key. */
export function route(
  { health }: ApplicationConfig,
  template: string | undefined,
  key: string,
): [method: string, url: string] {
  const [method = '', path = ''] = (template ?? '').split(' ');
  return [method, new URL(path.replaceAll('{key}', encodeURIComponent(key)), health).href];
}

export async function request(
  { headers }: ApplicationConfig,
  method: string,
  url: string,
  { timeout, signal }: Limits,
  body?: string,
): Promise<Answer & { text: string }> {
  const start = performance.now();
  const limit = AbortSignal.timeout(timeout);
  try {
    const response = await fetch(url, {
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body }),
      redirect: 'manual',
      signal: signal ? AbortSignal.any([limit, signal]) : limit,
    });
    const text = await response.text();
    const { status } = response;
    const answer = { ok: response.ok, ms: performance.now() - start, status, text };
    return response.ok ? answer : { ...answer, error: `answered ${status}` };
  } catch (error) {
    const reason = limit.aborted ? `no answer within ${timeout} ms` : reasonOf(error);
    return { ok: false, ms: performance.now() - start, error: reason, text: '' };
  }
}

/**
 * Why there was no answer. A TypeError without a cause means that no request could be made; its
 * message repeats the URL with its password, or the header's value (fetch of Node 20 and later).
 */
function reasonOf(error: unknown): string {
  const { cause } = error as Error;
  if (error instanceof TypeError && cause === undefined)
    return 'no request can be made: a user and password in the URL (use headers), or a header with a line break or a character outside Latin-1';
  return messageOf(cause ?? error);
}

/** The value at a JSON pointer (RFC 6901); undefined when there is none, or the text is not JSON. */
export function atPointer(text: string, pointer: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
