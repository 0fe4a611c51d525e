// Whole processes in turn, A B A B ..., so that a machine whose speed drifts slows both alike.
import { spawnSync } from 'node:child_process';

/** Milliseconds of one run; throws when it does not end with `expected`. */
function time({ command, env, expected = 0 }) {
  const start = performance.now();
  const { status, stderr } = spawnSync(command[0], command.slice(1), {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ms = performance.now() - start;
  if (status !== expected) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`);
  return ms;
}

/** `runs` pairs after two that are not counted: the medians of both and of their ratio, with its spread. */
export function compare(ours, base, runs) {
  const pairs = Array.from({ length: runs + 2 }, () => [time(ours), time(base)]).slice(2);
  const ratios = pairs.map(([a, b]) => a / b);
  return {
    ms: median(pairs.map(([a]) => a)),
    base_ms: median(pairs.map(([, b]) => b)),
    ratio: median(ratios),
    quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
  };
}

export const median = (values) => quantile(values, 0.5);

function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
