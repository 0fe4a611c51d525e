import { isIP, type Socket, type TcpNetConnectOpts, connect as tcp } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Endpoint } from './target.js';

/** No answer within the limit. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
  constructor(readonly ms: number) {
    super(`no answer within ${ms} ms`);
  }
}

/** The other side closed the connection while an answer was awaited. */
export class ClosedError extends Error {
  override readonly name = 'ClosedError';
}

export type Address = { address: string; family: number };

/** All addresses of a host in the order that the system's resolver prefers, as other clients see them. */
export async function resolveHost(host: string): Promise<Address[]> {
  // Most targets of a start are addresses, and loading it takes a millisecond.
  const { lookup } = await import('node:dns/promises');
  return await lookup(host, { all: true, verbatim: true });
}

/**
 * Begins to connect to a unix socket, or to the addresses in turn until one accepts (`localhost`
 * is ::1 first on many machines while Redis is bound to 127.0.0.1). `ms` is shared out between them:
 * Node's own 250 ms for each would give up on a distant server.
 */
export function connectSocket(
  endpoint: Endpoint,
  addresses: readonly Address[],
  ms: number,
): Socket {
  const options =
    'path' in endpoint
      ? endpoint
      : ({
          ...endpoint,
          noDelay: true,
          autoSelectFamily: addresses.length > 1,
          autoSelectFamilyAttemptTimeout: Math.max(10, Math.floor(ms / addresses.length)),
          // The addresses are known: connecting must not resolve the name a second time.
          lookup: (_host, { all }, done) => {
            const [first] = addresses as [Address];
            if (all) done(null, [...addresses]);
            else done(null, first.address, first.family);
          },
        } satisfies TcpNetConnectOpts);
  const socket = tcp(options);
  // An error between two stages has no listener of its own and would end the process.
  socket.on('error', () => {});
  return socket;
}

/** Begins the TLS handshake on an open connection. The certificate is checked against `endpoint`'s host. */
export async function upgrade(
  socket: Socket,
  endpoint: Endpoint,
  options: ConnectionOptions,
): Promise<Socket> {
  // Most connections are plain, and Node's TLS takes 3 ms to load.
  const { connect: tls } = await import('node:tls');
  const host = 'path' in endpoint ? undefined : endpoint.host;
  const secure = tls({
    socket,
    ...(host && { host }),
    ...(host && !isIP(host) && { servername: host }),
    ...options,
  });
  secure.on('error', () => {});
  return secure;
}

/** Resolves when the socket is ready; rejects with its error, or ClosedError. */
export function ready(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      socket.off(event, onReady).off('error', onError).off('close', onClose);
      act();
    };
    const onReady = () => settle(resolve);
    const onError = (error: Error) => settle(() => reject(error));
    const onClose = () =>
      settle(() => reject(new ClosedError('the other side closed the connection')));
    socket.once(event, onReady).once('error', onError).once('close', onClose);
  });
}

/** Rejects with TimeoutError when `work` takes longer than `ms`; `said` is the limit to report. */
export function within<T>(
  ms: number,
  work: Promise<T>,
  { onTimeout, said = ms }: { onTimeout?: (error: Error) => void; said?: number } = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const error = new TimeoutError(said);
      onTimeout?.(error);
      reject(error);
    }, ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** The outcome of `work`, unless the signal is aborted before; then its reason is thrown. */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
): Promise<T> {
  if (!signal) return await work;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
