import { connect, type Socket } from 'node:net';
import type { Endpoint } from '../../redis/target.js';
import type { Fault } from './fault.js';

/**
 * Whether Postgres takes connections: it is greeted as a client of that user does, and asked for
 * nothing. An error other than "starting up" is an answer too: another pg_hba.conf, TLS only.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html (StartupMessage)
 */
export function postgresLiveness(
  endpoint: Endpoint,
  { user, database }: NonNullable<Fault['postgres']>,
  timeout: number,
): Promise<'up' | 'loading' | 'down'> {
  return new Promise((resolve) => {
    let answer = Buffer.alloc(0);
    const socket: Socket = connect(endpoint, () => socket.write(greeting(user, database)));
    const done = (state: 'up' | 'loading' | 'down') => {
      socket.destroy();
      resolve(state);
    };
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer[0] === AUTHENTICATION) done('up');
      else if (answer.includes('\0\0'))
        done(STARTING.test(answer.toString('latin1')) ? 'loading' : 'up');
    });
    socket.once('error', () => done('down'));
    socket.once('end', () => done('down'));
    socket.setTimeout(timeout, () => done('down'));
  });
}

const AUTHENTICATION = 'R'.charCodeAt(0);
/** cannot_connect_now: starting up, shutting down, in recovery. */
const STARTING = /C57P0\d/;

function greeting(user: string, database: string): Buffer {
  const body = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(body.length + 8);
  head.writeInt32BE(0x00_03_00_00, 4);
  return Buffer.concat([head, body]);
}
