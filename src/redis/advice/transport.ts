import type { Stage } from '../channel.js';
import { type Access, label } from '../target.js';
import { type Advice, ALLOWLIST, INSTANCE, NETWORK, unreachable } from './advice.js';

export function fromSystem(code: string, { endpoint }: Access): Advice | undefined {
  const where = label(endpoint);
  const host = 'host' in endpoint ? endpoint.host : where;
  switch (code) {
    case 'ENOTFOUND':
      return unreachable('dns_not_found', `no such host: the name ${host} does not exist`, [
        'Is the host name right, and is it known in this network (private zone, VPN, container network)?',
        'Was the instance deleted or renamed? Its name goes with it',
        NETWORK,
      ]);
    case 'EAI_AGAIN':
      return unreachable('dns_unavailable', `the name server does not answer for ${host}`, [
        'Does any name resolve on this machine? (getent hosts, /etc/resolv.conf)',
        NETWORK,
      ]);
    case 'ECONNREFUSED':
      return unreachable('refused', `connection refused: nothing listens on ${where}`, [
        INSTANCE,
        'Is the port right, and does Redis bind to that address and not to 127.0.0.1 only?',
        ALLOWLIST,
        NETWORK,
      ]);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'EADDRNOTAVAIL':
      return unreachable('unreachable', `no route to ${where} (${code})`, [
        NETWORK,
        INSTANCE,
        ALLOWLIST,
      ]);
    case 'ETIMEDOUT':
      return unreachable('tcp_timeout', `${where} does not answer at all (ETIMEDOUT)`, SILENT);
    case 'ENOENT':
      return unreachable('no_socket', `there is no unix socket ${where}`, [
        INSTANCE,
        'Is the path the one of "unixsocket" in redis.conf, and visible here (container, chroot)?',
      ]);
    case 'EACCES':
    case 'EPERM':
      return unreachable('not_allowed', `this user may not connect to ${where} (${code})`, [
        'unix socket: is this user in its group ("unixsocketperm" in redis.conf)?',
        'TCP: does a local firewall or policy forbid it?',
      ]);
    default:
      return undefined;
  }
}

const SILENT = [INSTANCE, `${ALLOWLIST} - a dropped packet looks exactly like this`, NETWORK];

export function fromTimeout(stage: Stage, ms: number, where: string): Advice {
  const limit = `within ${ms} ms`;
  if (stage === 'dns') {
    return unreachable('dns_timeout', `the name server has not answered ${limit}`, [
      'Does any name resolve on this machine? (getent hosts, /etc/resolv.conf)',
      NETWORK,
    ]);
  }
  if (stage === 'tcp')
    return unreachable('tcp_timeout', `${where} does not answer at all ${limit}`, SILENT);
  if (stage === 'tls') {
    return unreachable('tls_timeout', `${where} accepts the connection, but not TLS ${limit}`, [
      'Does the port speak TLS? A plain Redis port says nothing to a TLS greeting: try redis://',
      'Does the process hang? (swapping, a slow command, stopped; ps, redis-cli --latency)',
      NETWORK,
    ]);
  }
  return unreachable('hung', `${where} accepts the connection, but has not answered ${limit}`, [
    'Does the process hang? (a slow command, swapping, fork, stopped: ps, SLOWLOG, dmesg)',
    'Is it a proxy or a load balancer with no Redis behind it?',
    'Does the port expect TLS? (rediss://)',
    'Is only the network slow? Try --timeout 30s',
  ]);
}

export const plainToTls = (where: string): Advice =>
  unreachable('plain_to_tls', `${where} speaks TLS, and was spoken to without`, [
    'Write rediss:// instead of redis://, or set tls: { ca: FILE } for an own authority',
  ]);

export function fromHangup(stage: Stage, access: Access): Advice {
  const where = label(access.endpoint);
  if (stage === 'tls') {
    return unreachable('tls_closed', `${where} closed the connection during the TLS handshake`, [
      'Does the port speak TLS? (rediss:// only for the TLS port)',
      'Is the client limit reached? Over TLS Redis hangs up without a word (maxclients)',
      'Does it want a client certificate? (tls: { cert, key })',
    ]);
  }
  return unreachable('closed', `${where} closed the connection without an answer`, [
    ...(access.tls ? ['Does it want a client certificate? (tls: { cert, key })'] : []),
    'Is it a proxy or a load balancer with no Redis behind it, or one that does not know PING?',
    INSTANCE,
    ALLOWLIST,
  ]);
}
