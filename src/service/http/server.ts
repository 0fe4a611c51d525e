import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { readBody } from './body.js';
import { findRoute } from './router.js';
import { demandToken } from './token.js';
import { HttpError, type Reply, type Routes } from './types.js';

/** How long requests under way may take to end after close() was called, in milliseconds. */
const CLOSE_GRACE_MS = 500;

export interface HttpService {
  url: string;
  /** Takes no more requests, lets those under way end, and ends within a second in any case. */
  close(): Promise<void>;
}

export interface ListenOptions {
  host: string;
  port: number;
  /** Hears of failures that are ours (a 500). */
  onError: (error: unknown) => void;
  /** Every request but that for health has to bring it: `Authorization: Bearer ...`. */
  token?: string | undefined;
  /** Hears of every request that found a route: the template, the status, seconds. */
  onAnswer?: (method: string, route: string, status: number, seconds: number) => void;
}

/** Serves the routes; resolves when the port is open, rejects when it cannot be opened. */
export async function listen(routes: Routes, options: ListenOptions): Promise<HttpService> {
  let closing = false;
  const server = createServer(async (request, response) => {
    const reply = await answer(routes, request, options);
    if (closing) response.setHeader('connection', 'close');
    send(response, reply, request.method === 'HEAD');
    // What a refused body has left unread would be taken for the next request.
    if (!request.complete) request.resume();
  });
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  server.on('clientError', refuse);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    close() {
      closing = true;
      return closeServer(server);
    },
  };
}

type Answer = Reply & { headers?: Readonly<Record<string, string>> };

async function answer(
  routes: Routes,
  request: IncomingMessage,
  { onError, onAnswer, token }: ListenOptions,
): Promise<Answer> {
  const start = performance.now();
  const method = request.method ?? '';
  let route = 'none';
  const reply = await (async (): Promise<Answer> => {
    try {
      const [path = '', query = ''] = split(request.url ?? '');
      const match = findRoute(routes, method, path);
      route = match.route;
      if (token !== undefined && !OPEN.test(route)) demandToken(request.headers, token);
      return await match.handler({
        params: match.params,
        query: new URLSearchParams(query),
        headers: request.headers,
        body: (schema) => readBody(request, schema),
      });
    } catch (error) {
      if (error instanceof HttpError)
        return { status: error.status, body: { error: error.message }, headers: error.headers };
      onError(error);
      return { status: 500, body: { error: 'internal error' } };
    }
  })();
  onAnswer?.(method, route, reply.status, (performance.now() - start) / 1_000);
  return reply;
}

/** Whoever watches an instance needs no secret of the application; a migration has a token of its own. */
const OPEN = /^\/api\/(health$|export\/)/;

/** The path must stay encoded until it is split, and URL would fold `..` in it. */
function split(url: string): [string, string] {
  const mark = url.indexOf('?');
  return mark < 0 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)];
}

function send(
  response: ServerResponse,
  { status, body, type, headers }: Answer,
  bodiless: boolean,
): void {
  const text = type === undefined ? `${JSON.stringify(body)}\n` : String(body);
  response.writeHead(status, {
    'content-type': type ?? 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(bodiless ? undefined : text);
}

/** Bytes that are no HTTP request, or a head that is too large or too slow. */
function refuse(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  const body = `${JSON.stringify({ error: status.slice(4).toLowerCase() })}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await closed;
  clearTimeout(timer);
}
