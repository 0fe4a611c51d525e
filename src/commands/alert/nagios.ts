import type { AlertLine, CheckResult } from '../../alerts/result.js';
import type { ExitCode } from '../../errors.js';
import { printable } from '../../output/format.js';

// https://www.monitoring-plugins.org/doc/guidelines.html: one line, "|", then
// 'label'=value[unit];[warn];[crit] with labels that hold neither "=" nor quotes.

const WORDS = { ok: 'OK', warn: 'WARNING', critical: 'CRITICAL', unknown: 'UNKNOWN' } as const;
/** Nagios reads 4 KB. */
const LONGEST = 4_000;
const MOST_SAID = 5;

/** 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; a configuration that makes no sense is not OK. */
export function nagiosCode(result: CheckResult): ExitCode {
  const codes = { ok: 0, warn: 1, critical: 2, unknown: 3 } as const;
  return codes[statusIn(result)];
}

function statusIn({ status, problems }: CheckResult): CheckResult['status'] {
  return status === 'ok' && problems.length > 0 ? 'unknown' : status;
}

export function nagiosLine(result: CheckResult): string {
  const { alerts, problems, counts } = result;
  const status = statusIn(result);
  const wanted = status === 'unknown' ? 'unknown' : 'firing';
  const said = [
    ...alerts
      .filter(({ phase, learning }) => phase === wanted && !learning)
      .map(({ target, rule, summary }) => `${target} ${rule}: ${summary}`),
    ...problems.map(({ path, message }) => `${path}: ${message}`),
  ];
  const rest = said.length > MOST_SAID ? [`${said.length - MOST_SAID} more`] : [];
  const fine = `${counts.inactive} rules are well, ${counts.pending} pending, ${counts.learning} not known yet`;
  const text = [...said.slice(0, MOST_SAID), ...rest].join('; ') || fine;
  // A "|" would begin the performance data.
  const line = `CACHE-OPS ${WORDS[status]} - ${printable(text).replaceAll('|', '/')} |`;
  let whole = line;
  for (const alert of alerts) {
    const data = perfdata(alert);
    if (data === undefined) continue;
    if (whole.length + data.length >= LONGEST) break;
    whole += ` ${data}`;
  }
  return whole === line ? line.slice(0, -2) : whole;
}

function perfdata({
  rule,
  target,
  value,
  unit,
  worse,
  warn,
  critical,
}: AlertLine): string | undefined {
  if (unit === '') return undefined;
  const label = printable(`${target} ${rule}`).replaceAll(/['="|]/g, '_');
  const suffix = unit === 'ms' ? 'ms' : unit === 'bytes' ? 'B' : '';
  const known = value === null ? 'U' : `${Math.round(value * 10_000) / 10_000}${suffix}`;
  // "0.5:" is a range that is well from there on.
  const end = worse === 'below' ? ':' : '';
  const range = (at: number | null) => (at === null ? '' : `${at}${end}`);
  return `'${label}'=${known};${range(warn)};${range(critical)}`;
}
