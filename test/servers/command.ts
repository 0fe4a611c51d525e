import { connect } from 'node:net';

/** Sends one inline command to a Redis without a password and returns the raw reply. */
export function command(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${line}\r\nPING\r\n`));
    let reply = '';
    socket.on('data', (chunk) => {
      reply += chunk;
      // The PING behind it tells where the reply ends.
      if (!reply.endsWith('+PONG\r\n')) return;
      socket.destroy();
      resolve(reply.slice(0, -7));
    });
    socket.once('error', reject);
    socket.setTimeout(2_000, () => {
      socket.destroy();
      reject(new Error(`no reply to ${line}`));
    });
  });
}
