import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { startSmtp } from '../servers/smtp.js';
import { type Certificates, makeCertificates } from '../servers/tls.js';
import { until } from '../servers/wait.js';
import { alert, message } from './message.js';
import { deliver, open, sinksOf, temporaryState } from './posting.js';

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());

const keys = () => ({
  cert: readFileSync(certificates.server.cert),
  key: readFileSync(certificates.server.key),
});

function mailbox(port: number, more: Record<string, unknown> = {}) {
  return sinksOf({
    name: 'mail',
    type: 'email',
    host: 'localhost',
    port,
    ca: readFileSync(certificates.ca, 'utf8'),
    from: 'cache-ops <alerts@example.org>',
    to: ['ops@example.org', 'on-call@example.org'],
    ...more,
  });
}
const account = { username: 'ops', password: 'pa ss"word' };

it('goes out over STARTTLS with an account, as text', async () => {
  const smtp = await startSmtp(keys());
  const [mail] = mailbox(smtp.port, account);
  const outcome = await deliver(
    mail,
    message('m 1', { alerts: [alert({ summary: 'Speicher zu 81 % voll, 内存' }), alert()] }),
  );
  expect(outcome).toMatchObject({ ok: true, answer: expect.stringContaining('queued as 7') });
  expect(smtp.mails).toMatchObject([
    {
      from: 'alerts@example.org',
      to: ['ops@example.org', 'on-call@example.org'],
      user: 'ops',
      secure: true,
    },
  ]);
  const source = smtp.mails[0]?.source ?? '';
  const head = source.slice(0, source.indexOf('\r\n\r\n'));
  const body = source.slice(head.length + 4);
  expect(head.replaceAll('\r\n ', ' ').split('\r\n')).toEqual(
    expect.arrayContaining([
      'Auto-Submitted: auto-generated',
      'From: "cache-ops" <alerts@example.org>',
      'To: ops@example.org, on-call@example.org',
      'Subject: WARN shop/production: memory redis:main (and 1 more)',
      'Message-ID: <m_1@cache-ops>',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: quoted-printable',
    ]),
  );
  expect(unquoted(body)).toBe(`WARN shop/production: memory redis:main (and 1 more)

WARN memory redis:main: Speicher zu 81 % voll, 内存
  since 2026-03-01T11:55:00.000Z
  to do: find what grows: cache-ops memory bigkeys

WARN memory redis:main: 81 % of maxmemory (207 MB of 256 MB)
  since 2026-03-01T11:55:00.000Z
  to do: find what grows: cache-ops memory bigkeys
`);
});

it('goes out over TLS from the first byte', async () => {
  const smtp = await startSmtp({ ...keys(), secure: true });
  const [mail] = mailbox(smtp.port, { security: 'tls', ...account });
  expect(await deliver(mail, message('m-1'))).toMatchObject({ ok: true });
  expect(smtp.mails).toMatchObject([{ secure: true, user: 'ops' }]);
});

it('goes nowhere when the server does not offer STARTTLS', async () => {
  const smtp = await startSmtp({ hideSTARTTLS: true, disabledCommands: ['STARTTLS'] });
  const [mail] = mailbox(smtp.port, account);
  expect(await deliver(mail, message('m-1'))).toMatchObject({ ok: false });
  expect(smtp.mails).toEqual([]);
});

it('goes nowhere when the certificate is of an unknown authority', async () => {
  const smtp = await startSmtp(keys());
  const [mail] = mailbox(smtp.port, { ...account, ca: undefined });
  expect(await deliver(mail, message('m-1'))).toMatchObject({
    ok: false,
    answer: expect.stringMatching(/certificate/),
  });
  expect(smtp.mails).toEqual([]);
});

it('waits when the account is refused, and the password stays out of the error', async () => {
  const smtp = await startSmtp(keys());
  const outbox = await open(
    temporaryState(),
    mailbox(smtp.port, { username: 'ops', password: 'old=password' }),
  );
  await outbox.add(message('m-1'));
  await outbox.settle(300);
  expect(outbox.status()).toMatchObject([
    { waiting: 1, lost: 0, error: expect.stringContaining('Invalid login ops ***') },
  ]);
  expect(JSON.stringify([outbox.status(), outbox.notices])).not.toContain('old=password');
});

it.each([
  [451, 'waits', { waiting: 1, lost: 0 }],
  [552, 'is given up', { waiting: 0, lost: 1 }],
])('that is answered %i %s', async (responseCode, _, expected) => {
  const smtp = await startSmtp({
    ...keys(),
    onData: (stream, _, done) => {
      stream.resume().once('end', () => done(Object.assign(new Error('no'), { responseCode })));
    },
  });
  const outbox = await open(temporaryState(), mailbox(smtp.port, account));
  await outbox.add(message('m-1'));
  await outbox.settle(300);
  expect(outbox.status()).toMatchObject([expected]);
});

it('says when some of the recipients are refused', async () => {
  const smtp = await startSmtp({
    ...keys(),
    onRcptTo: ({ address }, _, done) =>
      done(address.startsWith('on-call') ? new Error('no such mailbox') : null),
  });
  const [mail] = mailbox(smtp.port, account);
  expect(await deliver(mail, message('m-1'))).toMatchObject({
    ok: true,
    answer: expect.stringContaining('refused for 1 of 2'),
  });
});

it('a server that sends a byte now and then costs no more than the time-out', async () => {
  const server = createServer((socket) => {
    socket.write('220 welcome\r\n');
    const timer = setInterval(() => socket.write('2'), 50);
    socket.on('close', () => clearInterval(timer)).on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  onTestFinished(() => void server.close());
  const [mail] = mailbox((server.address() as AddressInfo).port, { timeout: 500 });
  const outcome = await deliver(mail, message('m-1'));
  expect(outcome).toMatchObject({ ok: false, answer: 'no answer within 500 ms' });
  expect(outcome.took_ms).toBeLessThan(3_000);
  const connections = () =>
    new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
  await until(async () => (await connections()) === 0);
});

/** Quoted-printable as text, with the line ends of this system. */
function unquoted(body: string): string {
  const bytes = body
    .replaceAll('=\r\n', '')
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString().replaceAll('\r\n', '\n');
}
