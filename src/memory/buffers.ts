import { bytesText, percentText } from '../words.js';
import type { Breakdown, Mendable } from './result.js';

const MB = 1024 ** 2;
/** A buffer is worth a word over this, and over this share of all memory. */
const LEAST = 10 * MB;
const SHARE = 0.1;
/** Scripts that are sent with their arguments pasted in are never the same twice. */
const MANY_SCRIPTS = 1_000;

/** Memory that is not data: buffers of clients and replicas, of the AOF, scripts. */
export function judgeBuffers(
  { clients, replication, aof, scripts }: Breakdown,
  used: number | null,
  version: string | null,
): Mendable[] {
  const findings: Mendable[] = [];
  const large = (metric: string, bytes: number | null, what: string, mend: string) => {
    if (bytes === null || bytes < LEAST || (used !== null && bytes < used * SHARE)) return;
    const share = used ? ` (${percentText(bytes / used)} of all memory)` : '';
    const message = `${what} take ${bytesText(bytes)}${share}`;
    findings.push({ metric, status: 'warn', message, mend });
  };
  const { pubsub_bytes: pubsub } = clients;
  const ordinary = clients.normal_bytes === null ? null : clients.normal_bytes - (pubsub ?? 0);
  large(
    'client_buffers',
    ordinary,
    `buffers of ${clients.connected ?? 'the'} clients`,
    limitClients(version),
  );
  large(
    'pubsub_buffers',
    pubsub,
    'buffers of subscribers that read too slowly',
    'CONFIG SET client-output-buffer-limit "pubsub 32mb 8mb 60"',
  );
  large(
    'replica_buffers',
    replication.buffers_bytes,
    'buffers of replicas that lag behind',
    'CONFIG SET client-output-buffer-limit "replica 256mb 64mb 60"',
  );
  large(
    'aof_buffer',
    (aof.buffer_bytes ?? 0) + (aof.rewrite_buffer_bytes ?? 0),
    'writes that the disk has not taken yet (AOF)',
    'CONFIG SET no-appendfsync-on-rewrite yes',
  );
  if ((scripts.cached ?? 0) > MANY_SCRIPTS)
    findings.push({
      metric: 'scripts',
      status: 'warn',
      message: `${scripts.cached} scripts are kept: values belong in ARGV, not in the script`,
      mend: 'SCRIPT FLUSH ASYNC',
    });
  return findings;
}

/** Since Redis 7 the clients with the largest buffers can be cut off as a group. */
function limitClients(version: string | null): string {
  const major = Number(/(\d+)\./.exec(version ?? '')?.[1] ?? 0);
  return major >= 7
    ? 'CONFIG SET maxmemory-clients 5%'
    : 'CONFIG SET client-output-buffer-limit "normal 64mb 16mb 60"';
}
