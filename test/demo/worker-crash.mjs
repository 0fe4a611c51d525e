// A worker killed in the middle of a batch: the report says where it was killed, and where the task went on.
import { execFileSync } from 'node:child_process';

/** Resolves to an exit code: 0 when the task went on at the checkpoint of the worker that was killed. */
export async function workerCrashDemo({ bin, env, show, run }) {
  const code = await run('--sandbox drill worker-crash service-1 --yes');
  if (code !== 0) return code;
  const past = execFileSync(process.execPath, [bin, 'drill', 'history', '--json'], { env });
  const { facts } = JSON.parse(past).find(({ drill }) => drill === 'worker-crash').report;
  const { killed_at_item: killed, checkpoint, went_on_at_item: wentOn } = facts;
  show(`killed at item ${killed}, checkpoint ${checkpoint}, went on at item ${wentOn}`);
  return wentOn === checkpoint ? 0 : 1;
}
