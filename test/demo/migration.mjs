// Task status of a process's memory, as it would dump it, moved to the sandbox's Redis: planned, written, compared.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TASKS = 500;

/** Resolves to an exit code. */
export async function migrationDemo({ bin, env, run }) {
  const dump = join(env.XDG_STATE_HOME, 'tasks.ndjson');
  const tasks = Array.from({ length: TASKS }, (_, n) => ({
    user: `user-${n % 7}`,
    task: `task-${n}`,
    status: 'processing',
    progress: n % 100,
    updatedAt: new Date(Date.now() - n * 1_000).toISOString(),
  }));
  writeFileSync(dump, tasks.map((task) => `${JSON.stringify(task)}\n`).join(''));
  const planned = await run(`migrate plan --from ${dump} --to redis:main --sandbox`);
  if (planned !== 0) return planned;
  const list = execFileSync(process.execPath, [bin, 'migrate', 'list', '--json'], { env });
  const [{ plan }] = JSON.parse(list).plans;
  for (const line of [`apply ${plan} --yes`, `verify ${plan}`, `rollback ${plan} --dry-run`]) {
    const code = await run(`migrate ${line} --sandbox`);
    if (code !== 0) return code;
  }
  return 0;
}
