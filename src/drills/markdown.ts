import { figureName, type Report } from './record.js';

/** A report for whoever asks for proof: verdict, figures, timeline. */
export function markdown(report: Report): string {
  const { applications, facts, reasons, timeline } = report;
  return [
    `# Drill ${report.drill} on ${report.target}: ${report.verdict}`,
    '',
    `- id: ${report.id}`,
    `- target: ${report.target} (${report.address}), environment ${report.environment}`,
    `- from ${report.started_at} to ${report.ended_at}`,
    `- restored: ${report.restored ? `yes (${report.restored_by})` : '**NO**'}`,
    `- outage seen by direct pings: ${milliseconds(report.outage_ms)}`,
    '',
    ...(reasons.length > 0
      ? ['## Why it did not pass', '', ...reasons.map((reason) => `- ${reason}`), '']
      : []),
    '## Applications',
    '',
    '| application | degraded after | recovered after | availability | requests | failed | worst latency | mode changes |',
    '|---|---|---|---|---|---|---|---|',
    ...applications.map(
      (row) =>
        `| ${row.application} | ${milliseconds(row.degrade_ms)} | ${milliseconds(row.recover_ms)} | ${(row.availability * 100).toFixed(2)} % | ${row.requests} | ${row.failed} | ${row.worst_ms} ms | ${row.transitions} |`,
    ),
    '',
    ...(Object.keys(facts).length > 0
      ? [
          '## Figures',
          '',
          '| figure | value |',
          '|---|---|',
          ...Object.entries(facts).map(
            ([name, value]) => `| ${figureName(name)} | ${value ?? 'unknown'} |`,
          ),
          '',
        ]
      : []),
    '## Timeline',
    '',
    '| after | phase | what |',
    '|---|---|---|',
    ...timeline.map(
      ({ at, phase, message }) =>
        `| ${(at / 1_000).toFixed(3)} s | ${phase} | ${message.replaceAll('|', '\\|')} |`,
    ),
    '',
  ].join('\n');
}

function milliseconds(value: number | null): string {
  return value === null ? 'never' : `${value} ms`;
}
