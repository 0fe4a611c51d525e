import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Outcome, runCli } from '../cli.js';

type Variables = Record<string, string>;

/** A folder of its own to run commands in; nothing of this machine's environment is seen. */
export interface Site {
  folder: string;
  write(name: string, text: string, mode?: number): string;
  run(argv: string[], env?: Variables): Promise<Outcome>;
  remove(): void;
}

export function makeSite(): Site {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-config-'));
  return {
    folder,
    write(name, text, mode = 0o600) {
      const file = join(folder, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
      chmodSync(file, mode);
      return file;
    },
    run: (argv, env = {}) =>
      runCli(argv, { cwd: folder, env: { XDG_STATE_HOME: join(folder, 'state'), ...env } }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
