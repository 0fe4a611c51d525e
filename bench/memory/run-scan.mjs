// The scan engine in a process of its own, into a sink that keeps nothing.
// node run-scan.mjs '{"port":...,"duty":1,"cursors":"auto"}' prints what it found as JSON.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Bundles src/redis/scan into a folder; `file` can be imported. */
export async function buildScan() {
  const { build } = await import('esbuild');
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
  const file = join(folder, 'scan.mjs');
  await build({
    entryPoints: [new URL('../../src/redis/scan/scan.ts', import.meta.url).pathname],
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
  });
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const {
    file,
    port,
    duty = 1,
    cursors = 'auto',
    size = 'samples',
    maxLatencyMs = 5,
  } = JSON.parse(process.argv[2]);
  const { scanServer } = await import(file);
  const totals = { keys: 0, bytes: 0, noTtl: 0, names: 0 };
  const sink = {
    add({ key, bytes, ttl_ms }) {
      totals.keys += 1;
      totals.bytes += bytes;
      totals.names += key.length;
      if (ttl_ms === null) totals.noTtl += 1;
    },
  };
  const start = performance.now();
  const cpu = process.cpuUsage();
  const end = await scanServer(
    { endpoint: { host: '127.0.0.1', port } },
    {
      databases: 'all',
      ask: { type: true, size, ttl: true },
      pace: { duty, maxLatencyMs },
      cursors,
      timeout: 10_000,
    },
    sink,
  );
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  process.stdout.write(JSON.stringify({ ms, cpu: (user + system) / 1_000, totals, end }));
}
