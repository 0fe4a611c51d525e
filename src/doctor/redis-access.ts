import { isLoopback, isPrivate } from './network.js';
import type { RedisFacts } from './redis-facts.js';
import { type Advised, advise, type Check } from './result.js';

/** Who may come in, from where, and what they may do then. */
export const ACCESS_CHECKS: readonly Check<RedisFacts>[] = [
  password,
  passwordLength,
  transport,
  bind,
  protectedMode,
  defaultUser,
  dangerous,
];

/** True: anybody may come in. Known by the user `default`, or by having come in without a password. */
function isOpen({ defaultUser: user, access }: RedisFacts): boolean {
  if (user) return user.flags.includes('on') && user.flags.includes('nopass');
  return access.password === undefined;
}

/** Whether other machines reach it. */
function isExposed({ addresses }: RedisFacts): boolean {
  return addresses.some((address) => !isLoopback(address));
}

function password(facts: RedisFacts): Advised[] {
  if (!isOpen(facts)) return [];
  return [
    advise(isExposed(facts) ? 'critical' : 'warn', 'password', {
      message: 'no password is needed: the user default has none',
      why: 'whoever reaches the port reads, changes and deletes everything, and can load code',
      mend: 'CONFIG SET requirepass NEW_PASSWORD   (then REDIS_PASSWORD of every application)',
    }),
  ];
}

const SHORTEST = 16;

/** Redis answers a million guesses a second: https://redis.io/docs/latest/operate/oss_and_stack/management/security/ */
function passwordLength({ access }: RedisFacts): Advised[] {
  const { password: given } = access;
  if (!given || given.length >= SHORTEST) return [];
  return [
    advise('warn', 'password', {
      message: `the password has fewer than ${SHORTEST} characters`,
      why: 'Redis checks passwords fast: short ones can be guessed at a million tries a second',
      mend: 'CONFIG SET requirepass NEW_PASSWORD   (make one: openssl rand -hex 32)',
    }),
  ];
}

function transport({ access, addresses }: RedisFacts): Advised[] {
  const open = addresses.filter((address) => !isPrivate(address));
  if (access.tls || open.length === 0) return [];
  return [
    advise('critical', 'tls', {
      message: `no TLS, and the way to ${open.join(', ')} leads through a public network`,
      why: 'the password and every value can be read and changed on the way',
      mend: 'tls-port 6380 with tls-cert-file, tls-key-file and tls-ca-cert-file in redis.conf, then rediss://HOST:6380',
    }),
  ];
}

function bind(facts: RedisFacts): Advised[] {
  const { config, addresses } = facts;
  if (config.bind === undefined) return [];
  const bound = config.bind.split(' ').map((address) => address.replace(/^-/, ''));
  const everywhere =
    config.bind === '' || bound.some((one) => ['*', '0.0.0.0', '::*', '::'].includes(one));
  const open = bound.filter((one) => /^[\d.]+$|:/.test(one) && !isPrivate(one));
  if (!everywhere && open.length === 0) return [];
  const own = addresses.filter(isPrivate).filter((address) => !isLoopback(address));
  const wanted = ['127.0.0.1', '-::1', ...own].join(' ');
  return [
    advise(isOpen(facts) ? 'critical' : 'warn', 'bind', {
      message: everywhere
        ? 'it listens on every address of its host'
        : `it listens on ${open.join(', ')}`,
      why: 'one wrong rule of the firewall puts it on the internet',
      mend: `CONFIG SET bind "${wanted}"`,
    }),
  ];
}

function protectedMode(facts: RedisFacts): Advised[] {
  if (facts.config['protected-mode'] !== 'no' || !isOpen(facts)) return [];
  return [
    advise('critical', 'protected_mode', {
      message: 'protected mode is off, and there is no password',
      why: 'protected mode is what refuses strangers while no password is set',
      mend: 'CONFIG SET protected-mode yes',
    }),
  ];
}

function defaultUser({ defaultUser: user, user: own, target }: RedisFacts): Advised[] {
  const everything = user?.commands.includes('+@all') && !user.commands.includes(' -');
  if (!user?.flags.includes('on') || !everything || !user.keys.includes('~*')) return [];
  const named = own !== undefined && own !== 'default';
  return [
    advise('warn', 'default_user', {
      message: 'the user default is on and may run every command on every key',
      why: named
        ? `applications have users of their own (${own}): nobody needs this one`
        : 'an application that is taken over has the whole server: its ACL should end at its keys',
      mend: named
        ? 'ACL SETUSER default off'
        : `ACL SETUSER ${target.name}-app on >NEW_PASSWORD ~* &* +@all -@admin -@dangerous +info`,
    }),
  ];
}

function dangerous({ open, user = 'default' }: RedisFacts): Advised[] {
  if (open.length === 0) return [];
  const rules = open.map((name) => `-${name.toLowerCase()}`).join(' ');
  return [
    advise('warn', 'dangerous_commands', {
      message: `${open.join(', ')} can be run by the user ${user}`,
      why: 'one of them by mistake empties, stops or holds the server for everybody',
      mend: `ACL SETUSER ${user} ${rules}`,
    }),
  ];
}
