import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { diffReports, diffSchema } from '../../memory/diff.js';
import { findReport } from '../../memory/store.js';
import { emit } from '../../output/emit.js';
import type { DiffFlags } from './diff.js';
import { renderDiff } from './render-diff.js';
import { MOST_CHANGES } from './shown.js';

export async function runDiff(
  context: Context,
  [before = 'previous', after = 'last']: [before?: string | undefined, after?: string | undefined],
  flags: DiffFlags,
): Promise<void> {
  const { state, cwd, stdout } = context;
  const limit = flags.limit === undefined ? MOST_CHANGES : parseCount(flags.limit, '--limit', 0);
  const diff = diffReports(findReport(state, before, cwd), findReport(state, after, cwd));
  const detail = { limit, uniform: !stdout.isTTY };
  await emit(context, diffSchema.parse(diff), (all) => renderDiff(all, detail));
}
