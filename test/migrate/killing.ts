import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Site } from './estate.js';

/** Applies a plan with so many kill -9 at random moments, each followed by --resume, and to its end. */
export async function applyWithKills(
  site: Site,
  bin: string,
  id: string,
  { kills, longest, flags = [] }: { kills: number; longest: number; flags?: string[] },
): Promise<{ reached: number[] }> {
  const reached: number[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    const child = site.start(bin, 'apply', id, '--yes', '--resume', '--json', ...flags);
    await Promise.race([sleep(100 + Math.random() * longest), child.ended]);
    child.kill('SIGKILL');
    const { stdout } = await child.ended;
    const positions = [...stdout.matchAll(/"position":(\d+)/g)].map(([, digits]) => Number(digits));
    reached.push(positions.at(-1) ?? 0);
  }
  const { code, stdout } = await site.start(bin, 'apply', id, '--yes', '--resume', '--json').ended;
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  expect([code, result.state]).toEqual([0, 'applied']);
  return { reached };
}
