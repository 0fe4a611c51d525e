import type { CapacityResult, TargetCapacity } from '../../memory/capacity.js';
import type { Block, Cell, Tone } from '../../output/blocks.js';
import { bytes, count, percent, status } from '../../output/format.js';
import { bytesText, percentText } from '../../words.js';

const TONES: Record<TargetCapacity['verdict'], Tone> = {
  fits: 'ok',
  tight: 'warn',
  too_small: 'critical',
  unknown: 'unknown',
};

/** A table of the parts, the whole of each target as its last line, then the verdicts. */
export function renderCapacity({ targets }: CapacityResult): Block[] {
  const rows = targets.flatMap((target) => [
    ...target.items.map((item): Cell[] => [
      target.target,
      item.name,
      count(item.count),
      bytes(item.size_bytes),
      item.live ? `${item.live.keys} live keys` : item.size_from,
      bytes(item.total_bytes),
      share(item.total_bytes, target),
      null,
    ]),
    [
      target.target,
      'overhead',
      null,
      null,
      'given',
      bytes(target.overhead_bytes),
      share(target.overhead_bytes, target),
      null,
    ],
    [
      target.target,
      'all',
      null,
      null,
      null,
      bytes(target.needed_bytes),
      percent(target.ratio),
      status(target.verdict, TONES[target.verdict]),
    ],
  ]);
  const columns = ['target', 'item', 'count', 'size', 'size from', 'needed', 'of limit', 'verdict'];
  return [
    { table: { columns, rows, optional: ['size from', 'target'] } },
    { note: '' },
    ...targets.flatMap(verdict),
  ];
}

function share(part: number, { limit_bytes }: TargetCapacity): Cell {
  return limit_bytes === null ? null : percent(part / limit_bytes);
}

function verdict(capacity: TargetCapacity): Block[] {
  const { target, needed_bytes, limit_bytes, basis, ratio, used_bytes, remarks } = capacity;
  const tone = TONES[capacity.verdict];
  const name = target ?? 'estimate';
  const now = used_bytes === null ? '' : `, ${bytesText(used_bytes)} in use now`;
  const against =
    ratio === null || limit_bytes === null
      ? 'no limit is known'
      : `${percentText(ratio)} of ${bytesText(limit_bytes)} (${basis})${now}`;
  return [
    {
      note: `${name}: ${bytesText(needed_bytes ?? 0)}, ${against}: ${WORDS[capacity.verdict]}`,
      tone,
    },
    ...capacity.items.flatMap(({ name: item, live }): Block[] => {
      if (!live) return [];
      const { keys, complete, average_bytes, deviation_bytes, low_bytes, high_bytes } = live;
      const sample = complete
        ? `all ${keys} keys that match ${live.match}`
        : `a sample of ${keys} keys of ${live.match} (between ${bytesText(low_bytes)} and ${bytesText(high_bytes)} with 95 %)`;
      return [
        {
          note: `  ${item}: ${bytesText(average_bytes)} on average, deviation ${bytesText(deviation_bytes)}, by ${sample}`,
        },
      ];
    }),
    ...remarks.map((remark): Block => ({ note: `  ${remark}`, tone: 'unknown' })),
  ];
}

const WORDS: Record<TargetCapacity['verdict'], string> = {
  fits: 'it fits',
  tight: 'over 80 %, which is where the alert is',
  too_small: 'it does not fit',
  unknown: 'no verdict',
};
