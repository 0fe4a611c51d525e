import { connect, type Socket } from 'node:net';
import type { EmailConfig } from '../../config/sinks.js';
import { alertLines, cut, fitted, lostLine, titleOf } from '../message.js';
import { type Attempt, type Delivery, DeliveryFailure, type Sink } from './sink.js';

/** A mail of an alert is read on a telephone. */
const LIMIT = 100_000;
/** Bytes. */
const SUBJECT = 200;

/** SMTP. `Message-ID` is made of the message's id, so that mail programs show a repeated delivery once. */
export function emailSink(config: EmailConfig): Sink {
  return {
    name: config.name,
    async send(delivery, { signal }) {
      // Every command would pay for it at its start.
      const { createTransport } = await import('nodemailer');
      const socket = await connected(config, signal);
      // Its own time-outs are for silence: a server that sends a byte now and then would hold us for ever.
      const end = () => socket.destroy();
      signal.addEventListener('abort', end, { once: true });
      try {
        const transport = createTransport({ ...transportOf(config), connection: socket });
        const { response, rejected } = await transport.sendMail(mailOf(config, delivery));
        return rejected.length > 0
          ? `${response}; refused for ${rejected.length} of ${config.to.length}`
          : response;
      } catch (error) {
        throw failureOf(error);
      } finally {
        signal.removeEventListener('abort', end);
        socket.destroy();
      }
    },
  };
}

function transportOf({ host, security, ca, username, password, timeout }: EmailConfig) {
  return {
    host,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: { ...(ca !== undefined && { ca }) },
    ...(username !== undefined && { auth: { user: username, pass: password ?? '' } }),
    greetingTimeout: timeout,
    socketTimeout: timeout,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function mailOf({ from, to }: EmailConfig, { notifications, lost }: Delivery) {
  const [first] = notifications;
  const head = notifications.map(titleOf);
  const parts = notifications.flatMap(({ alerts }) =>
    alerts.map((alert) => alertLines(alert).join('\n')),
  );
  return {
    from,
    to,
    subject: cut(head[0] ?? '', SUBJECT),
    text: `${fitted([...head, ...lostLine(lost)], parts, LIMIT, '\n\n')}\n`,
    messageId: `<${(first?.id ?? '').replace(/[^\w.-]/g, '_')}@cache-ops>`,
    // RFC 3834: no vacation notices to this.
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
}

function connected({ host, port }: EmailConfig, signal: Attempt['signal']): Promise<Socket> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const end = () => socket.destroy(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    // It stays: an error between two listeners of others would end the program.
    socket.on('error', reject);
    socket.once('connect', () => {
      signal.removeEventListener('abort', end);
      resolve(socket);
    });
  });
}

/** RFC 5321: 5yz is for good. Wrong credentials (535, EAUTH) are put right some time. */
function failureOf(error: unknown): DeliveryFailure {
  const { code, responseCode, message } = error as Partial<Record<string, unknown>>;
  const refused =
    (code === 'EENVELOPE' || code === 'EMESSAGE') &&
    typeof responseCode === 'number' &&
    responseCode >= 500;
  return new DeliveryFailure(refused ? 'refused' : 'failed', String(message));
}
