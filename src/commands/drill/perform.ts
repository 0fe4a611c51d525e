import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Context } from '../../context.js';
import { type Outcome, type Plan, runDrill } from '../../drills/engine.js';
import { inWords } from '../../drills/faults/act.js';
import { markdown } from '../../drills/markdown.js';
import { type DrillEvent, history, type Report, storeReport } from '../../drills/record.js';
import { type Comparison, compareWithLast } from '../../drills/trends.js';
import { CacheOpsError, codeOf } from '../../errors.js';
import { emit, emitLine } from '../../output/emit.js';
import { audit } from '../../state/audit.js';
import { junitCases, renderEvent, renderReport } from './render.js';

export interface ReportFiles {
  markdown?: string;
  junit?: string;
  html?: string;
}

/** Runs a drill, shows how it goes, and keeps its report. `as` says what its last line is in a pipe. */
export async function perform(
  context: Context,
  plan: Plan,
  {
    files = {},
    compare = false,
    as = 'summary',
  }: { files?: ReportFiles; compare?: boolean; as?: 'summary' | 'item' },
): Promise<Report> {
  const { stdout, settings } = context;
  const asLines = settings.json || !stdout.isTTY;
  const renderers = await loadRenderers();
  const outcome = await runDrill(plan, {
    ...context,
    onEvent(event) {
      if (asLines) emitLine(context, { type: 'progress', ...event });
      else if (!settings.quiet) stdout.write(renderEvent(event, stdout.columns));
    },
  });
  const { report } = outcome;
  const compared = compare ? (compareWithLast(report, history(context.state)) ?? null) : undefined;
  if (asLines) emitLine(context, { type: as, ...report, ...(compare && { compared }) });
  else await emit(context, { report, compared }, renderWithComparison);
  const texts = keep(context, outcome, renderers);
  for (const format of ['markdown', 'junit', 'html'] as const) {
    if (files[format]) writeReport(resolve(context.cwd, files[format]), texts[format]);
  }
  return report;
}

/** Runs a drill as a part of something else, that shows its result; the report is kept all the same. */
export async function performQuietly(
  context: Context,
  plan: Plan,
  onEvent: (event: DrillEvent) => void,
): Promise<Report> {
  const renderers = await loadRenderers();
  const outcome = await runDrill(plan, { ...context, onEvent });
  keep(context, outcome, renderers);
  return outcome.report;
}

type Renderers = Awaited<ReturnType<typeof loadRenderers>>;

/** Before anything is broken: an upgrade in the middle of a drill takes the files away. */
async function loadRenderers() {
  const [{ junit }, { renderHtml }] = await Promise.all([
    import('../../output/junit.js'),
    import('../../drills/html/render.js'),
    import('../../output/terminal.js'),
  ]);
  return { junit, renderHtml };
}

/** In the audit log and the history. */
function keep(
  context: Context,
  { report, samples, settings, folder }: Outcome,
  { junit, renderHtml }: Renderers,
) {
  audit(context, {
    action: `drill ${report.drill}`,
    target: report.target,
    result: report.restored ? report.verdict : 'not restored',
    detail: { id: report.id, restored_by: report.restored_by },
  });
  const texts = {
    markdown: markdown(report),
    junit: junit(`drill ${report.drill}`, junitCases(report)),
    html: renderHtml(report, samples, settings),
  };
  storeReport(folder, report, {
    'report.md': texts.markdown,
    'junit.xml': texts.junit,
    'report.html': texts.html,
    'samples.ndjson': samples.map((sample) => `${JSON.stringify(sample)}\n`).join(''),
  });
  return texts;
}

/** The error of a target that is still broken, with what to do. */
export function notRestored({ prepared }: Plan, { reasons }: Report): CacheOpsError {
  return new CacheOpsError(
    'not_restored',
    `${prepared.target.name} (${prepared.address}) is NOT restored: ${reasons[0]}`,
    `cache-ops drill restore; by hand: ${inWords(prepared.fault).mends}`,
  );
}

function renderWithComparison({
  report,
  compared,
}: {
  report: Report;
  compared: Comparison | null | undefined;
}) {
  return renderReport(report, compared);
}

export function writeReport(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new CacheOpsError(
      'state',
      `cannot write ${file} (${codeOf(error)})`,
      'the drill is over and closed: cache-ops drill history has its report',
    );
  }
}
