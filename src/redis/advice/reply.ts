import type { ReplyError } from '../resp.js';
import { type Access, label } from '../target.js';
import { type Advice, ALLOWLIST, bad, DEGRADE, PASSWORD, unreachable } from './advice.js';
import { clusterDown, readOnly } from './state.js';

/** The texts are those of Redis 4 to 8 and Valkey; they differ between versions. */
export function fromReply(reply: ReplyError, access: Access): Advice {
  const where = label(access.endpoint);
  const { code, message } = reply;
  const user = access.username ? ` for the user "${access.username}"` : '';
  switch (code) {
    case 'NOAUTH':
      return unreachable('noauth', `${where} wants a password, and none is configured`, [PASSWORD]);
    case 'WRONGPASS':
      return wrongPassword(where, user);
    case 'NOPERM':
      return unreachable('noperm', `${where} refuses a command${user}: ${message}`, [
        'Give the user the right: ACL SETUSER NAME +ping +role +info +cluster|slots',
        PASSWORD,
      ]);
    case 'DENIED':
      return unreachable(
        'protected_mode',
        `${where} is in protected mode: it has no password and takes only local clients`,
        [
          'Set a password (requirepass) and bind to the private address; then protected-mode goes away',
        ],
      );
    case 'LOADING':
      return bad('loading', 'it is starting: the dataset is being loaded into memory', [
        'Wait: INFO persistence has loading_eta_seconds',
        'Why did it restart? (out of memory, deployment, host: logs of Redis, dmesg)',
        DEGRADE,
      ]);
    case 'MASTERDOWN':
      return bad('masterdown', 'a replica without its master, and it may not serve stale data', [
        'Is the master up? INFO replication names it (master_host); ping it',
        'Is masterauth right, and the path from the replica to the master fine?',
        'Is a failover due? (SENTINEL failover, CLUSTER FAILOVER, or promote the replica)',
        DEGRADE,
      ]);
    case 'READONLY':
      return readOnly(where);
    case 'CLUSTERDOWN':
      return clusterDown('the cluster is down');
    default:
  }
  if (/max number of clients/i.test(message)) {
    return unreachable('maxclients', `${where} is at its client limit (maxclients)`, [
      'Who holds the connections? CLIENT LIST through a connection that is still open; a pool that leaks?',
      'Close idle ones (CONFIG SET timeout) or raise the limit (CONFIG SET maxclients)',
    ]);
  }
  // Redis 5 and before; then Redis 6 and later.
  if (/no password is set|without any password configured/i.test(message)) {
    return unreachable('no_password_set', `a password is configured, and ${where} has none`, [
      'Leave the password out, or better: set one at the server (requirepass)',
      'Is it the right instance? One that lost its configuration starts without a password',
    ]);
  }
  if (/invalid password/i.test(message)) return wrongPassword(where, user);
  if (/wrong number of arguments for 'auth'/i.test(message)) {
    return unreachable('no_acl', `${where} is older than Redis 6 and knows no users`, [
      'Leave the user name out; the password alone is enough there',
    ]);
  }
  if (/unknown command 'AUTH'/.test(message)) {
    return unreachable('auth_unknown', `a password is configured, and ${where} knows no AUTH`, [
      'Is AUTH renamed (rename-command), or is this a proxy or an old Sentinel? Then leave the password out',
    ]);
  }
  if (/DB index|SELECT is not allowed|invalid DB/i.test(message)) {
    return unreachable(
      'db_out_of_range',
      `there is no database ${access.db} on ${where}: ${message}`,
      [
        'Use a database that exists ("databases" in redis.conf, 16 by default; a cluster has only 0)',
      ],
    );
  }
  if (/upstream|backend|server connection|no healthy/i.test(message)) {
    return unreachable('proxy', `a proxy answers on ${where}, but reaches no Redis: ${message}`, [
      'Is the Redis behind the proxy up?',
      "What do the proxy's logs and health checks say?",
      ALLOWLIST,
    ]);
  }
  if (/cluster support disabled/i.test(message)) {
    return bad('not_cluster', `${where} is not part of a cluster`, [
      'Configure it as url: redis://host:port instead of cluster: [...]',
    ]);
  }
  return unreachable('error_reply', `${where} answers with an error: ${message}`, [
    'What does the error mean there? (the version of the server, renamed commands, its own logs)',
    PASSWORD,
  ]);
}

const wrongPassword = (where: string, user: string): Advice =>
  unreachable('wrongpass', `${where} rejects the password${user}`, [
    PASSWORD,
    'Was it changed at the server and not here, or the other way round?',
    'Is the user on? ACL LIST shows "off" and unknown ones answer the same',
  ]);
