import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { HealthResult } from '../../src/health/result.js';
import { type Outcome, type Overrides, runCli } from '../cli.js';

/** A folder with a configuration (YAML, or an object, which JSON makes YAML) and a state of its own. */
export function configured(config: string | object) {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-health-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  writeFileSync(join(folder, 'cache-ops.yaml'), text);
  const env = { XDG_STATE_HOME: join(folder, 'state'), HOME: folder };
  const run = (argv: string[], overrides: Overrides = {}): Promise<Outcome> =>
    runCli(argv, { env, cwd: folder, ...overrides });
  return {
    folder,
    run,
    /** `health --json` with a short sample: its exit code and its document. */
    async health(...argv: string[]): Promise<{ code: number; result: HealthResult }> {
      const { code, stdout, stderr } = await run([
        'health',
        '--json',
        '--sample',
        '100ms',
        ...argv,
      ]);
      if (stdout === '') throw new Error(stderr);
      return { code, result: JSON.parse(stdout) };
    },
  };
}

/** A port that accepts connections and never says a word. */
export function silentPort(): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}
