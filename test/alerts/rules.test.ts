import { describe, expect, it } from 'vitest';
import { readRules } from '../../src/alerts/rules.js';
import { configSchema } from '../../src/config/schema.js';
import { METRICS } from '../../src/health/metrics.js';

function book(...rules: object[]) {
  const values = configSchema.parse({
    redis: { main: 'redis://h', far: 'redis://f' },
    alerts: { rules },
  });
  return readRules({ ...values, file: '/etc/cache-ops.yaml' });
}

const memoryOf = (name: string, ...rules: object[]) =>
  book(...rules)
    .rulesFor('redis', name)
    .find((rule) => rule.name === 'memory');

const wrong = (...rules: object[]) =>
  book(...rules).problems.map(({ path, message }) => `${path.slice(2).join('.')}: ${message}`);

describe('the rules in force', () => {
  it('have, each of them, a metric of their kind, and say what to do', () => {
    for (const rule of book().all()) {
      if (rule.metric) expect(METRICS[rule.metric].kind).toBe(rule.kind);
      expect(rule.action.length).toBeGreaterThan(10);
      const { warn, critical, clear, worse } = rule.bounds ?? {};
      expect(warn ?? critical ?? null).not.toBeNull();
      if (clear !== null && clear !== undefined)
        expect(worse === 'above').toBe(clear < (warn ?? critical ?? 0));
      expect(rule.from).toBe('built in');
    }
    const names = book()
      .all()
      .map(({ kind, name }) => `${kind} ${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('are changed by entries, of which later ones win', () => {
    const rule = memoryOf(
      'redis:main',
      { rule: 'memory', warn: '70%', for: '5m' },
      { rule: 'memory', critical: 0.85, action: 'call the owner' },
    );
    expect(rule).toMatchObject({
      bounds: { warn: 0.7, critical: 0.85, clear: 0.65625 },
      for: 300_000,
      action: 'call the owner',
      from: 'cache-ops.yaml alerts.rules.1',
    });
  });

  it('are changed for one target, and its servers, only', () => {
    const entry = { rule: 'memory', targets: ['redis:far'], warn: 0.5 };
    expect(memoryOf('redis:far', entry)?.bounds?.warn).toBe(0.5);
    expect(memoryOf('redis:main', entry)?.bounds?.warn).toBe(0.8);
    const server = book(entry).rulesFor('redis', 'redis:far/10.0.0.1:6379', 'redis:far');
    expect(server.find(({ name }) => name === 'memory')?.bounds?.warn).toBe(0.5);
  });

  it('are switched off, for all or for some, and on again', () => {
    expect(memoryOf('redis:main', { rule: 'memory', off: true })).toBeUndefined();
    const only = { rule: 'memory', only: ['redis:far'] };
    expect(memoryOf('redis:main', only)).toBeUndefined();
    expect(memoryOf('redis:far', only)).toBeDefined();
    const back = { rule: 'memory', off: false, targets: ['redis:main'] };
    expect(memoryOf('redis:main', { rule: 'memory', off: true }, back)).toBeDefined();
    const level = { rule: 'memory', critical: 'off' };
    expect(memoryOf('redis:main', level)?.bounds?.critical).toBeNull();
  });

  it('give health the same limits', () => {
    const { limits } = book({ rule: 'memory', warn: 0.5 }, { rule: 'latency', off: true });
    const [memory, latency] = ['memory', 'latency'].map(
      (name) =>
        book()
          .all()
          .find((rule) => rule.name === name) as never,
    );
    expect(limits(memory as never, 'redis:main')).toMatchObject({ warn: 0.5 });
    expect(limits(latency as never, 'redis:main')).toBe('off');
  });

  it.each<[object, string]>([
    [{ rule: 'memry', warn: 0.5 }, '0.rule: no rule is named "memry" (did you mean memory?)'],
    [
      { rule: 'memory', warn: 'much' },
      '0.warn: "much" is no limit here; write 0.8 or 80%, or "off"',
    ],
    [{ rule: 'memory', warn: '5m' }, '0.warn: "5m" is no limit here; write 0.8 or 80%, or "off"'],
    [
      { rule: 'latency', warn: '80%' },
      '0.warn: "80%" is no limit here; write 500ms, 15m or 4h, or "off"',
    ],
    [{ rule: 'memory', warn: 0.95 }, '0.warn: expected warn (0.95) below critical (0.9)'],
    [{ rule: 'memory', warm: 0.5 }, '0.warm: unknown key "warm", did you mean warn?'],
    [{ rule: 'memory', for: 'soon' }, '0.for: "soon" is not a duration; write 500ms, 2s, 5m or 1h'],
    [
      { rule: 'memory', targets: ['redis:mian'] },
      '0.targets: nothing is named "redis:mian" (did you mean redis:main?)',
    ],
    [
      { rule: 'memory', when: 'memory.used_ratio > 1' },
      '0.rule: expected either "rule", to change one, or "name" and "when"',
    ],
    [{ warn: 0.5 }, '0.rule: expected either "rule", to change one, or "name" and "when"'],
    [{ name: 'busy' }, '0.when: is missing; expected an expression'],
    [
      { name: 'busy', when: 'clients.connected > 1', warn: 1 },
      '0.warn: is for built-in rules; write it into "when"',
    ],
    [{ name: 'memory', when: 'clients.connected > 1' }, '0.name: "memory" is built in'],
    [
      { name: 'busy', when: 'clients.conected > 1' },
      '0.when: column 1: there is no metric "clients.conected" (did you mean clients.connected?)',
    ],
  ])('%j: what is wrong costs that entry alone', (entry, message) => {
    const good = { name: 'good', when: 'clients.connected > 1' };
    expect(wrong(entry, good)).toEqual([message]);
    expect(book(entry, good).names).toContain('good');
  });
});
