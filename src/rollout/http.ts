import type { Application, Limits } from '../applications/client.js';

export interface JsonAnswer {
  status: number;
  // What an application answers is its own: each check looks for what it needs.
  body: Record<string, unknown>;
}

/** One JSON request at a path of an application, as a user. Rejects when there is no answer in time. */
export async function ask(
  { config }: Application,
  method: string,
  path: string,
  { timeout, signal }: Limits,
  { user, body }: { user?: string; body?: unknown } = {},
): Promise<JsonAnswer> {
  const limit = AbortSignal.timeout(timeout);
  const response = await fetch(new URL(path, config.health), {
    method,
    headers: {
      ...config.headers,
      ...(user !== undefined && { 'x-user-id': user }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    redirect: 'manual',
    signal: signal ? AbortSignal.any([limit, signal]) : limit,
  }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw limit.aborted ? new Error(`no answer within ${timeout} ms`) : noAnswer(error);
  });
  const text = await response.text();
  return { status: response.status, body: parse(text) };
}

function noAnswer(error: unknown): Error {
  const { cause } = error as { cause?: { code?: string } };
  return new Error(`no answer (${cause?.code ?? 'no request can be made'})`);
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
