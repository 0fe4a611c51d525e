import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { onTestFinished } from 'vitest';

export interface Mail {
  from: string;
  to: string[];
  user: string | undefined;
  secure: boolean;
  /** Headers and text as they came, decoded as UTF-8. */
  source: string;
}

/** A real SMTP server on a free loopback port that keeps the mails it is sent. */
export async function startSmtp(
  options: SMTPServerOptions = {},
): Promise<{ port: number; mails: Mail[] }> {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    disableReverseLookup: true,
    onAuth: ({ username, password }, _, done) =>
      username === 'ops' && password === 'pa ss"word'
        ? done(null, { user: username })
        : done(new Error(`Invalid login ${username} ${password}`)),
    onData: async (stream, session, done) => {
      let source = '';
      for await (const piece of stream.setEncoding('utf8')) source += piece;
      const { mailFrom, rcptTo } = session.envelope;
      mails.push({
        from: mailFrom ? mailFrom.address : '',
        to: rcptTo.map(({ address }) => address),
        user: typeof session.user === 'string' ? session.user : undefined,
        secure: session.secure,
        source,
      });
      done(null, 'queued as 7');
    },
    ...options,
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { port: (server.server.address() as AddressInfo).port, mails };
}
