import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Request {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** When it was there as a whole, by performance.now(). */
  at: number;
}

export interface Receiver {
  url: string;
  port: number;
  /** All requests, oldest first. */
  requests: Request[];
  close(): Promise<void>;
}

/** A real HTTP server on a free loopback port that keeps what it is sent; `answer` decides what it says. */
export async function startReceiver(
  answer: (response: ServerResponse, request: Request, count: number) => void = (response) =>
    response.end('ok'),
  port = 0,
): Promise<Receiver> {
  const requests: Request[] = [];
  const server = createServer(async (incoming, response) => {
    let body = '';
    for await (const piece of incoming.setEncoding('utf8')) body += piece;
    const { method = '', url: path = '', headers } = incoming;
    const request = { method, path, headers, body, at: performance.now() };
    requests.push(request);
    answer(response, request, requests.length);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const taken = (server.address() as AddressInfo).port;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  return { url: `http://127.0.0.1:${taken}`, port: taken, requests, close };
}
