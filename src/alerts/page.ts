import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CacheOpsError, codeOf, messageOf } from '../errors.js';

/** A page that Prometheus reads. */
export interface Page {
  /** Where it is to be had. */
  url: string;
  show(text: string): void;
  close(): Promise<void>;
}

/** `:9187` listens on every address, `127.0.0.1:9187` on that one. Throws CacheOpsError. */
export async function openPage(where: string): Promise<Page> {
  const [, host = '', port = ''] = /^(?:\[?([^\]]*?)\]?:)?(\d{1,5})$/.exec(where) ?? [];
  if (port === '' || Number(port) > 65_535)
    throw new CacheOpsError(
      'usage',
      `--metrics: "${where}" is no address`,
      'write :9187 or 127.0.0.1:9187',
    );
  let text = '';
  const server = createServer((request, response) => {
    const known = request.url === '/metrics' || request.url === '/';
    const ready = text !== '' && request.method === 'GET';
    response.writeHead(known ? (ready ? 200 : 503) : 404, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    });
    response.end(known && ready ? text : '');
  });
  // A reader that never asks, or never reads on, holds nothing for long.
  Object.assign(server, { requestTimeout: 10_000, headersTimeout: 10_000, timeout: 30_000 });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const taken = codeOf(error) === 'EADDRINUSE' ? 'the port is taken' : messageOf(error);
      reject(new CacheOpsError('usage', `--metrics ${where}: ${taken}`));
    });
    server.listen({ port: Number(port), ...(host && { host }) }, resolve);
  });
  const { port: chosen } = server.address() as AddressInfo;
  return {
    url: `http://${host || 'localhost'}:${chosen}/metrics`,
    show(fresh) {
      text = fresh;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
