/** Where a fault is mended: of one product, in the lines that are known of. */
interface Lines {
  /** The first version that has it, or of which it is known; below, nothing is said. */
  since?: string;
  /** The first good release of each line that got one; lines in between got none. */
  fixed: readonly string[];
}

export interface Fault {
  ids: readonly string[];
  what: string;
  redis?: Lines;
  valkey?: Lines;
  /** Where the releases are named. */
  source: string;
}

/**
 * What release notes and advisories say of versions, the newest and worst first. A line of which no source was
 * found is left out by `since`, rather than guessed at. Minor numbers: 8.2.6 is a release of the line 8.2.
 */
export const FAULTS: readonly Fault[] = [
  {
    ids: ['CVE-2026-81934'],
    what: 'where TLS is on, a client can run code on the host',
    redis: {
      fixed: ['6.2.24', '7.2.16', '7.4.11', '8.2.9', '8.4.6', '8.6.6', '8.8.2', '8.10.1'],
    },
    source: 'https://redis.io/blog/security-advisory-cve-2026-81934/',
  },
  {
    ids: ['CVE-2026-56684', 'CVE-2026-63639'],
    what: 'where TLS is on, a client that may kill others can run code on the host',
    valkey: { since: '8.0.0', fixed: ['8.0.10', '8.1.9', '9.0.5', '9.1.1'] },
    source: 'https://github.com/valkey-io/valkey/releases/tag/9.1.1',
  },
  {
    ids: ['CVE-2026-23479', 'CVE-2026-25243', 'CVE-2026-23631'],
    what: 'whoever is logged in can run code on the host, by RESTORE or a script',
    redis: { since: '7.4.0', fixed: ['7.4.9', '8.2.6', '8.4.3', '8.6.3', '8.8.0'] },
    valkey: { fixed: ['7.2.13', '8.0.8', '8.1.7', '9.0.4', '9.1.0'] },
    source: 'https://github.com/redis/redis/security/advisories/GHSA-c8h9-259x-jff4',
  },
  {
    ids: ['CVE-2026-27623'],
    what: 'a client without a password can end the server',
    valkey: { since: '9.0.0', fixed: ['9.0.3'] },
    source: 'https://nvd.nist.gov/vuln/detail/CVE-2026-27623',
  },
  {
    ids: ['CVE-2025-67733', 'CVE-2026-21863'],
    what: 'a script can put words into other answers; a packet on the cluster bus ends the server',
    valkey: { fixed: ['7.2.12', '8.0.7', '8.1.6', '9.0.2'] },
    source: 'https://osv.dev/vulnerability/BIT-valkey-2025-67733',
  },
  {
    ids: ['CVE-2025-62507'],
    what: 'XACKDEL can run code on the host',
    redis: { since: '8.2.0', fixed: ['8.2.3'] },
    source: 'https://github.com/docker-library/official-images/pull/20204',
  },
  {
    ids: ['CVE-2025-49844', 'CVE-2025-46817', 'CVE-2025-46818', 'CVE-2025-46819'],
    what: 'whoever may run Lua scripts can run code on the host',
    redis: { fixed: ['6.2.20', '7.2.11', '7.4.6', '8.0.4', '8.2.2'] },
    valkey: { fixed: ['7.2.11', '8.0.6', '8.1.4'] },
    source: 'https://redis.io/blog/security-advisory-cve-2025-49844/',
  },
  {
    ids: ['CVE-2025-32023', 'CVE-2025-48367'],
    what: 'HyperLogLog commands can run code on the host',
    redis: { fixed: ['6.2.19', '7.2.10', '7.4.5', '8.0.3'] },
    valkey: { since: '8.0.0', fixed: ['8.0.4', '8.1.3'] },
    source: 'https://github.com/docker-library/official-images/pull/19401',
  },
  {
    ids: ['CVE-2025-27151'],
    what: 'the check of an append-only file can be made to run code by a file name',
    redis: { since: '7.2.0', fixed: ['7.2.9', '7.4.4', '8.0.2'] },
    valkey: { since: '8.1.0', fixed: ['8.1.2'] },
    source: 'https://github.com/redis/redis/pull/14139',
  },
  {
    ids: ['CVE-2025-21605'],
    what: 'a client without a password can fill the memory with output',
    redis: { fixed: ['6.2.18', '7.2.8', '7.4.3', '8.0.0'] },
    valkey: { fixed: ['7.2.9', '8.0.3', '8.1.1'] },
    source: 'https://github.com/redis/redis/pull/13971',
  },
  {
    ids: ['CVE-2024-46981'],
    what: 'whoever may run Lua scripts can run code on the host',
    redis: { fixed: ['6.2.17', '7.2.7', '7.4.2'] },
    valkey: { since: '8.0.0', fixed: ['8.0.2'] },
    source: 'https://github.com/redis/redis/pull/13729',
  },
  {
    ids: ['CVE-2024-51741'],
    what: 'whoever may write ACL rules can end the server',
    redis: { since: '7.0.0', fixed: ['7.2.7', '7.4.2'] },
    valkey: { since: '8.0.0', fixed: ['8.0.2'] },
    source: 'https://github.com/redis/redis/pull/13729',
  },
  {
    ids: ['CVE-2024-31449', 'CVE-2024-31228'],
    what: 'a script can overflow the stack; a long pattern in KEYS, SCAN or an ACL ends the server',
    redis: { fixed: ['6.2.16', '7.2.6', '7.4.1'] },
    valkey: { fixed: ['7.2.7', '8.0.1'] },
    source: 'https://github.com/redis/redis/security/advisories/GHSA-whxg-wx83-85p5',
  },
  {
    ids: ['CVE-2024-31227'],
    what: 'whoever may write ACL rules can end the server',
    redis: { since: '7.0.0', fixed: ['7.2.6', '7.4.1'] },
    valkey: { fixed: ['7.2.7', '8.0.1'] },
    source: 'https://github.com/redis/redis/pull/13582',
  },
  {
    ids: ['CVE-2023-41056'],
    what: 'a wrong account of buffers can overflow the heap',
    redis: { since: '7.0.9', fixed: ['7.0.15', '7.2.4'] },
    source: 'https://nvd.nist.gov/vuln/detail/CVE-2023-41056',
  },
  {
    ids: ['CVE-2023-45145'],
    what: 'a local user can connect to the Unix socket while the server starts',
    redis: { since: '7.2.0', fixed: ['7.2.2'] },
    source: 'https://nvd.nist.gov/vuln/detail/CVE-2023-45145',
  },
  {
    ids: ['CVE-2023-41053'],
    what: 'SORT_RO reads keys that the ACL does not allow',
    redis: { since: '7.0.0', fixed: ['7.0.13', '7.2.1'] },
    source: 'https://github.com/wolfi-dev/advisories/pull/222',
  },
  {
    ids: ['CVE-2022-24834'],
    what: 'a script can overflow the heap by cjson and cmsgpack',
    redis: { fixed: ['6.0.20', '6.2.13', '7.0.12'] },
    source: 'https://github.com/RedisLabs/redislabs-docs/pull/2667',
  },
  {
    ids: ['CVE-2023-28856'],
    what: 'HINCRBYFLOAT can leave a field that ends the server when it is read',
    redis: { since: '6.2.0', fixed: ['6.2.12', '7.0.11'] },
    source: 'https://github.com/wolfi-dev/os/pull/1395',
  },
  {
    ids: ['CVE-2023-25155', 'CVE-2022-36021'],
    what: 'SRANDMEMBER, ZRANDMEMBER, HRANDFIELD and long patterns end or hold up the server',
    redis: { fixed: ['6.0.18', '6.2.11', '7.0.9'] },
    source: 'https://osv.dev/vulnerability/UBUNTU-CVE-2023-25155',
  },
  {
    ids: ['CVE-2022-35977', 'CVE-2023-22458'],
    what: 'SETRANGE, SORT, HRANDFIELD and ZRANDMEMBER end the server',
    redis: { since: '6.2.0', fixed: ['6.2.9', '7.0.8'] },
    source: 'https://github.com/wolfi-dev/os/pull/657',
  },
  {
    ids: ['CVE-2022-35951'],
    what: 'XAUTOCLAIM can run code on the host',
    redis: { since: '7.0.0', fixed: ['7.0.5'] },
    source: 'https://nvd.nist.gov/vuln/detail/CVE-2022-35951',
  },
  {
    ids: ['CVE-2022-31144'],
    what: 'XAUTOCLAIM can run code on the host',
    redis: { since: '7.0.0', fixed: ['7.0.4'] },
    source: 'https://nvd.nist.gov/vuln/detail/CVE-2022-31144',
  },
  {
    ids: ['CVE-2022-24735', 'CVE-2022-24736'],
    what: 'a script can be run with the rights of another user',
    redis: { fixed: ['6.2.7', '7.0.0'] },
    source: 'https://github.com/redis/redis/pull/10654',
  },
];
