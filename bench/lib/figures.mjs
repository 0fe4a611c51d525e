import { loadavg } from 'node:os';

export const quantile = (values, share) => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
};

/** `median (minimum-maximum)`. */
export function spread(values, digits = 0) {
  const [middle, low, high] = [quantile(values, 0.5), Math.min(...values), Math.max(...values)];
  return `${middle.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`;
}

/** Prints a Markdown table. */
export function table(head, rows) {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  process.stdout.write(`\n${lines.join('\n')}\n`);
}

export function load() {
  return `load average ${loadavg()
    .map((value) => value.toFixed(1))
    .join(' ')}`;
}
