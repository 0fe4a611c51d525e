import { messageOf } from '../../errors.js';
import { type Access, label } from '../target.js';
import { type Advice, type Evidence, unreachable } from './advice.js';

export function fromTls(
  code: string,
  cause: unknown,
  access: Access,
  evidence: Evidence,
): Advice | undefined {
  const where = label(access.endpoint);
  switch (code) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return unreachable('self_signed', `the certificate of ${where} is self-signed`, [
        "Name the authority's certificate: tls: { ca: FILE }",
        'If nobody expects an own authority here: is it the right host? Somebody may sit between',
      ]);
    // Redis sends the authority's own certificate along: that one is self-signed, as all roots are.
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return unreachable('unknown_ca', `the certificate of ${where} is by an unknown authority`, [
        "Name the authority's certificate: tls: { ca: FILE } (the provider's CA bundle)",
        'Does the server send its intermediate certificates? (openssl s_client -showcerts)',
      ]);
    case 'CERT_HAS_EXPIRED':
      return unreachable('cert_expired', `the certificate of ${where} has expired`, [
        'Renew it at the server and load it: CONFIG SET tls-cert-file, or a restart',
        "Is this machine's clock right?",
      ]);
    case 'CERT_NOT_YET_VALID':
      return unreachable('cert_not_yet_valid', `the certificate of ${where} is not valid yet`, [
        "Is this machine's clock right?",
      ]);
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return unreachable('cert_name', `the certificate of ${where} is for another name`, [
        `Use the host name that the certificate has, or tls: { servername: NAME }. It is for ${namesOf(cause)}`,
      ]);
    default:
  }
  if (/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/.test(code)) {
    return access.tls?.cert && code.includes('HANDSHAKE_FAILURE')
      ? unreachable('tls_failed', `no TLS agreement with ${where} (${code})`, [
          'Do both sides share a TLS version and a cipher? (tls-protocols, tls-ciphers)',
        ])
      : unreachable('client_cert_required', `${where} wants a client certificate`, [
          'Name it: tls: { cert: FILE, key: FILE }; or tls-auth-clients no at the server',
        ]);
  }
  if (/ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_\w+|DECRYPT_ERROR)/.test(code)) {
    return unreachable(
      'client_cert_rejected',
      `${where} rejects our client certificate (${code})`,
      ['Is it by the authority that the server trusts (tls-ca-cert-file), and still valid?'],
    );
  }
  if (evidence === 'plain' || /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/.test(code))
    return access.tls ? plainPort(where) : undefined;
  if (/^ERR_SSL|^ERR_OSSL|^EPROTO|^ERR_TLS/.test(code)) {
    return unreachable(
      'tls_failed',
      `the TLS handshake with ${where} failed: ${messageOf(cause)}`,
      [
        'Do both sides share a TLS version and a cipher? (tls-protocols, tls-ciphers)',
        'Do the certificate and its key belong together? (tls: { cert, key })',
      ],
    );
  }
  return undefined;
}

/** https://nodejs.org/docs/latest-v20.x/api/tls.html#tlscheckserveridentityhostname-cert */
function namesOf(error: unknown): string {
  const { cert } = error as { cert?: { subjectaltname?: string; subject?: { CN?: string } } };
  return cert?.subjectaltname ?? cert?.subject?.CN ?? 'no name';
}

function plainPort(where: string): Advice {
  return unreachable('tls_to_plain', `${where} speaks plain Redis, not TLS`, [
    'Write redis:// instead of rediss:// (or leave out tls), or use the TLS port (tls-port)',
    'Outside a private network: turn TLS on at the server',
  ]);
}
