import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { AttemptTimeout, retried } from '../../src/service/retry.js';

// The pauses alone: fourteen seconds need not be waited for to know how long they are.
vi.mock('node:timers/promises', () => ({ setTimeout: vi.fn(async () => {}) }));
afterEach(() => void vi.useRealTimers());

it('a call that may get better is made four times, after 2, 4 and 8 s', async () => {
  let calls = 0;
  const failing = retried(async () => {
    calls += 1;
    throw Object.assign(new Error('overloaded'), { status: 503 });
  });
  await expect(failing).rejects.toThrow('overloaded');
  expect(calls).toBe(4);
  expect(vi.mocked(sleep).mock.calls.map(([ms]) => ms)).toEqual([2_000, 4_000, 8_000]);
});

it('an attempt has 30 s', async () => {
  vi.useFakeTimers();
  let over = false;
  const hanging = retried(() => new Promise(() => {}), { delaysMs: [] }).catch((error) => {
    over = true;
    return error;
  });
  await vi.advanceTimersByTimeAsync(29_999);
  expect(over).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(await hanging).toBeInstanceOf(AttemptTimeout);
});
