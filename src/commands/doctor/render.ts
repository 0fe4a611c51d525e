import type { Audited, DoctorResult } from '../../doctor/result.js';
import type { Block } from '../../output/blocks.js';
import { count, status } from '../../output/format.js';

const ORDER = ['critical', 'warn', 'unknown', 'ok'];

/** For a terminal: a line a server, then each finding with its reason and the line that mends it. */
export function renderDoctor(result: DoctorResult): Block[] {
  const { servers } = result;
  return [
    {
      table: {
        columns: ['kind', 'name', 'address', 'status', 'version', 'critical', 'warn', 'unknown'],
        optional: ['version', 'address', 'unknown'],
        rows: servers.map((server) => [
          server.kind,
          server.target,
          server.address,
          status(server.status),
          server.version,
          ...(['critical', 'warn', 'unknown'] as const).map((level) =>
            count(numberOf(server, level)),
          ),
        ]),
      },
    },
    ...sorted(servers).flatMap(({ server, finding }): Block[] => [
      { note: '' },
      {
        note: `${finding.status}: ${server.target} ${server.address}: ${finding.message}`,
        tone: finding.status,
      },
      { note: `  why: ${finding.why}` },
      ...(finding.mend === null ? [] : [{ note: `  ${finding.mend}` }]),
    ]),
    { note: '' },
    verdict(result),
  ];
}

/** For a pipe: a line a finding. */
export function renderLines(result: DoctorResult): Block[] {
  return [
    {
      table: {
        columns: ['kind', 'target', 'address', 'status', 'what', 'message', 'why', 'line'],
        rows: sorted(result.servers).map(({ server, finding }) => [
          server.kind,
          server.target,
          server.address,
          status(finding.status),
          finding.metric,
          finding.message,
          finding.why,
          finding.mend,
        ]),
      },
    },
    verdict(result),
  ];
}

function sorted(servers: readonly Audited[]) {
  return servers
    .flatMap((server) => server.findings.map((finding) => ({ server, finding })))
    .toSorted((a, b) => ORDER.indexOf(a.finding.status) - ORDER.indexOf(b.finding.status));
}

function numberOf({ findings }: Audited, level: string): number {
  return findings.filter((finding) => finding.status === level).length;
}

function verdict({ servers, status: tone, estate, environment }: DoctorResult): Block {
  const findings = servers.reduce((sum, server) => sum + server.findings.length, 0);
  const checks = servers.reduce((sum, server) => sum + server.checked, 0);
  return {
    note: `${estate} (${environment}): ${findings} findings by ${checks} checks on ${servers.length} servers: ${tone}`,
    tone,
  };
}
