import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import { type BackTo, isAsPlanned, writeBack } from '../../migration/back.js';
import { type Plan, planFolder, storePlan } from '../../migration/plan/store.js';
import { emit } from '../../output/emit.js';
import { type Consent, consent } from '../../prompt.js';
import { countText } from '../../words.js';
import { audited } from '../audited.js';

/** Back to memory: the path of the file that `--to` names; undefined where it names a Redis. */
export function fileNamed({ cwd }: Context, text: string): string | undefined {
  return /\.(ndjson|jsonl)$/.test(text) ? resolve(cwd, text) : undefined;
}

export function isToFile({ target, address }: Plan): boolean {
  return target === 'file' && address.startsWith('/');
}

function backTo({ state }: Context, { id, address, prefix }: Plan): BackTo {
  return {
    folder: planFolder(state, id),
    path: address,
    prefix: Buffer.byteLength(prefix),
  };
}

export async function applyToFile(
  context: Context,
  plan: Plan,
  how: Consent & { dryRun?: boolean },
): Promise<void> {
  if (how.dryRun) return tell(context, plan, 'would be written; nothing was changed', {});
  const { environment } = await context.config();
  // Personal data leaves the estate: that is asked for as a change is.
  await consent(
    context,
    `Write ${countText(plan.entries)} ${plan.kind} of ${environment} to ${plan.address}?`,
    plan.target,
    how,
  );
  const written = await writeBack(backTo(context, plan));
  const ended_at = new Date(context.now()).toISOString();
  storePlan(context.state, { ...plan, state: 'applied', ended_at });
  const detail = { plan: plan.id, kind: plan.kind, entries: plan.entries };
  audited(context, { action: 'migrate apply', target: plan.address, result: 'finished', detail });
  await tell(context, plan, written ? 'are in the file' : 'were in the file already', { written });
  if (plan.bad > 0) context.exitCode = ExitCode.partial;
}

export async function verifyFile(context: Context, plan: Plan): Promise<void> {
  const agree = await isAsPlanned(backTo(context, plan));
  await tell(
    context,
    plan,
    agree ? 'are in the file as planned' : 'are not in the file as planned',
    {
      agree,
    },
  );
  if (!agree) context.exitCode = ExitCode.bad;
}

/** Removes the file, if nobody has changed it. */
export async function removeFile(
  context: Context,
  plan: Plan,
  how: Consent & { dryRun?: boolean },
): Promise<void> {
  if (!(await isAsPlanned(backTo(context, plan))))
    throw new CacheOpsError('refused', `${plan.address} is not there, or has been changed since`);
  if (how.dryRun) return tell(context, plan, 'would be removed with the file', {});
  await consent(context, `Remove ${plan.address}?`, plan.target, how);
  rmSync(plan.address);
  storePlan(context.state, { ...plan, state: 'rolled back' });
  const detail = { plan: plan.id, kind: plan.kind };
  audited(context, { action: 'migrate rollback', target: plan.address, result: 'done', detail });
  await tell(context, plan, 'are gone with the file', { removed: true });
}

async function tell(
  context: Context,
  { id, kind, entries, address }: Plan,
  what: string,
  facts: Record<string, boolean>,
): Promise<void> {
  const result = { type: 'summary', plan: id, kind, file: address, entries, ...facts };
  await emit(context, result, () => [
    { note: `${countText(entries)} ${kind} ${what}: ${address}` },
  ]);
}
