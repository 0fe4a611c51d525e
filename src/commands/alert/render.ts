import { type AlertLine, type CheckResult, isUnknown } from '../../alerts/result.js';
import type { Block, Cell, Tone } from '../../output/blocks.js';
import { bytes, count, ms, percent, status } from '../../output/format.js';

/** What is not well, or everything with `long`; then what is to be done, and how much was looked at. */
export function renderCheck(
  result: CheckResult,
  { long = false }: { long?: boolean | undefined } = {},
): Block[] {
  const { alerts, counts, estate, environment, at } = result;
  const shown = alerts.filter(
    (line) => long || isUnknown(line) || !['inactive', 'unknown'].includes(line.phase),
  );
  const rows = shown.map((line): Cell[] => [
    status(line.phase, toneOf(line)),
    line.severity,
    line.rule,
    line.target,
    figure(line),
    line.since,
    line.inhibited_by,
    line.summary,
    line.action,
  ]);
  const titles = [
    'state',
    'severity',
    'rule',
    'target',
    'value',
    'since',
    'inhibited by',
    'what',
    'to do',
  ];
  const optional = ['to do', 'since', 'inhibited by', 'severity', 'what'];
  const notes = shown.filter(({ phase }) => phase === 'firing').flatMap(noteOf);
  return [
    ...(rows.length > 0 ? [{ table: { columns: titles, rows, optional } }] : []),
    ...notes,
    ...(counts.learning > 0 && !long
      ? [{ note: `${counts.learning} values are not known yet: they take more than one look` }]
      : []),
    {
      note: `${estate} (${environment}) at ${at}: ${counts.firing} firing, ${counts.pending} pending, ${counts.unknown} unknown, ${counts.inactive} well`,
      tone: result.status,
    },
  ];
}

function noteOf(line: AlertLine): Block[] {
  const tone = toneOf(line);
  const hushed = line.inhibited_by
    ? ` (not told: ${line.inhibited_by} is down)`
    : line.silenced_until
      ? ` (silenced until ${line.silenced_until})`
      : '';
  return [
    { note: `${line.severity}: ${line.target}: ${line.summary}${hushed}`, tone },
    { note: `  to do: ${line.action}` },
  ];
}

function toneOf({ phase, severity }: AlertLine): Tone {
  if (phase === 'firing') return severity ?? 'warn';
  if (phase === 'unknown') return 'unknown';
  return phase === 'pending' ? 'warn' : 'ok';
}

function figure({ value, unit }: AlertLine): Cell {
  switch (unit) {
    case 'ratio':
      return percent(value);
    case 'bytes':
      return bytes(value);
    case 'ms':
      return ms(value);
    case 'flag':
      return value === null ? null : { value, text: value === 0 ? 'no' : 'yes' };
    default:
      return count(value);
  }
}
