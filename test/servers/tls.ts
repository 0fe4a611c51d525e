import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificates {
  ca: string;
  server: Pair;
  client: Pair;
  /** Signed by the same authority, not valid since 2021. */
  expired: Pair;
  /** For another host name. */
  foreign: Pair;
  selfSigned: Pair;
  remove(): void;
}

export interface Pair {
  cert: string;
  key: string;
}

const NAMES = 'subjectAltName=DNS:localhost,IP:127.0.0.1';

/** Makes a certificate authority and certificates for localhost in a folder of their own. */
export function makeCertificates(): Certificates {
  const dir = mkdtempSync(join(tmpdir(), 'cache-ops-tls-'));
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
  const key = (name: string) =>
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
  // `openssl ca` can set the dates, which `openssl x509` of OpenSSL 3.0 cannot.
  writeFileSync(
    join(dir, 'ca.cnf'),
    [
      '[ca]',
      'default_ca=own',
      '[own]',
      'database=index.txt',
      'new_certs_dir=.',
      'serial=serial',
      'certificate=ca.crt',
      'private_key=ca.key',
      'default_md=sha256',
      'policy=any',
      'copy_extensions=copy',
      'unique_subject=no',
      '[any]',
      'commonName=supplied',
      '',
    ].join('\n'),
  );
  writeFileSync(join(dir, 'index.txt'), '');
  writeFileSync(join(dir, 'serial'), '1000\n');
  key('ca');
  openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    'ca.key',
    '-subj',
    '/CN=test authority',
    '-days',
    '2',
    '-out',
    'ca.crt',
  );
  const issue = (name: string, names: string, ...dates: string[]): Pair => {
    key(name);
    openssl(
      'req',
      '-new',
      '-key',
      `${name}.key`,
      '-subj',
      `/CN=${name}`,
      '-addext',
      names,
      '-out',
      `${name}.csr`,
    );
    openssl(
      'ca',
      '-batch',
      '-config',
      'ca.cnf',
      '-in',
      `${name}.csr`,
      '-out',
      `${name}.crt`,
      '-notext',
      ...(dates.length > 0 ? dates : ['-days', '2']),
    );
    return { cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) };
  };
  key('self');
  openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    'self.key',
    '-subj',
    '/CN=localhost',
    '-addext',
    NAMES,
    '-days',
    '2',
    '-out',
    'self.crt',
  );
  return {
    ca: join(dir, 'ca.crt'),
    server: issue('server', NAMES),
    client: issue('client', NAMES),
    expired: issue(
      'expired',
      NAMES,
      '-startdate',
      '20200101000000Z',
      '-enddate',
      '20210101000000Z',
    ),
    foreign: issue('foreign', 'subjectAltName=DNS:elsewhere.example'),
    selfSigned: { cert: join(dir, 'self.crt'), key: join(dir, 'self.key') },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
