/** What is wrong, in the operator's words, and what to check next, in the order of the runbook. */
export interface Advice {
  /** For scripts; codes are only ever added. */
  code: string;
  reason: string;
  next: string[];
  /** False: no usable connection. True: it answers, but its state is bad. */
  reachable: boolean;
}

/** What a second, careful look at the same port has shown: it speaks plain Redis, or it speaks TLS. */
export type Evidence = 'plain' | 'tls' | undefined;

export const INSTANCE =
  'Is the instance up, on that host and port? (provider console, systemctl, docker ps)';
export const ALLOWLIST =
  "Is this machine's address allowed? (allowlist, security group, bind and protected-mode)";
export const PASSWORD =
  'Are the user and password right? (the secret store against requirepass or the ACL)';
export const NETWORK = 'Is the network path fine? (route, VPN, firewall, DNS from this machine)';
export const LOGS = "What do the application's logs say? (since when, for how many instances)";
export const DEGRADE =
  'Until it is back: let the applications run in memory mode (CACHE_TYPE=memory)';

export const unreachable = (code: string, reason: string, next: string[]): Advice => ({
  code,
  reason,
  next: [...next, LOGS, DEGRADE],
  reachable: false,
});
export const bad = (code: string, reason: string, next: string[]): Advice => ({
  code,
  reason,
  next,
  reachable: true,
});
