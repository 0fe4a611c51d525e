import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Estate, type EstateOptions, startEstate, summary } from './estate.js';

// The orchestrators are not on this machine: stand-ins of that name write down how they were called,
// and stop and start a real Redis as the real ones would.

const silent = (lines: string) => `exec >/dev/null 2>&1\n${lines}`;

const compose: EstateOptions = {
  control: { yaml: '{ compose: { service: redis, file: "docker compose.yml", project: asl } }' },
  standIns: ({ stop, start }) => ({
    docker: `case "$*" in *" ps "*) echo redis;; *" stop "*) ${stop};; *" start "*) ${start} >/dev/null;; esac`,
  }),
};
const systemd: EstateOptions = {
  control: { yaml: '{ systemd: { unit: redis.service } }' },
  standIns: ({ stop, start }) => ({
    systemctl: `case "$1 $2" in show*) printf 'LoadState=loaded\\nActiveState=active\\nRefuseManualStop=no\\n';; "stop redis.service") ${stop};; start*) ${start} >/dev/null;; esac`,
    'systemd-run': 'exit 0',
  }),
};
const kubernetes: EstateOptions = {
  control: {
    yaml: '{ kubernetes: { namespace: asl, workload: statefulset/redis, context: prod } }',
  },
  standIns: ({ stop, start }) => ({
    kubectl: `case "$*" in *dry-run*) ;; *get*) printf 3;; *--replicas=0) ${stop};; *--replicas=3) ${start} >/dev/null;; esac`,
  }),
};
const ssh: EstateOptions = {
  control: { yaml: '{ ssh: { host: ops@cache-1, stop: "./stop-redis", start: "./start-redis" } }' },
  standIns: ({ stop, start }) => ({
    // The far side is this machine: its timer is a real one.
    ssh: 'cd "$HOME/bin"; for last in "$@"; do :; done; exec sh -c "$last"',
    'stop-redis': silent(stop),
    'start-redis': silent(start),
  }),
};

describe.concurrent('the command lines of a driver', () => {
  it('docker compose: one service, its file and project', async () => {
    await withEstate(compose, async (estate) => {
      await passes(estate);
      expect(estate.calls()).toEqual([
        'docker [compose] [-f] [docker compose.yml] [-p] [asl] [ps] [--services] [--status] [running]',
        'docker [compose] [-f] [docker compose.yml] [-p] [asl] [stop] [redis]',
        'docker [compose] [-f] [docker compose.yml] [-p] [asl] [start] [redis]',
      ]);
    });
  });

  it("systemd: a timer of systemd's own is armed before the unit is stopped, and ended after its start", async () => {
    await withEstate(systemd, async (estate) => {
      await passes(estate);
      const [, arm = '', ...rest] = estate.calls();
      expect(arm).toMatch(
        /^systemd-run \[--collect\] \[--unit=cache-ops-drill-\w{6}\] \[--on-active=180\] \[systemctl\] \[start\] \[redis.service\]$/,
      );
      const timer = /--unit=([\w-]+)/.exec(arm)?.[1];
      expect(rest).toEqual([
        'systemctl [stop] [redis.service]',
        'systemctl [start] [redis.service]',
        `systemctl [stop] [${timer}.timer]`,
      ]);
    });
  });

  it('kubernetes: scaled to nothing and back to as many as there were, after the server has agreed', async () => {
    await withEstate(kubernetes, async (estate) => {
      await passes(estate);
      const scale = 'kubectl [--context] [prod] [-n] [asl] [scale] [statefulset/redis]';
      expect(estate.calls()).toEqual([
        'kubectl [--context] [prod] [-n] [asl] [get] [statefulset/redis] [-o] [jsonpath={.spec.replicas}]',
        `${scale} [--replicas=0] [--dry-run=server]`,
        `${scale} [--replicas=3] [--dry-run=server]`,
        `${scale} [--replicas=0]`,
        `${scale} [--replicas=3]`,
      ]);
    });
  });

  it('ssh: restores over there, and leaves no timer', async () => {
    await withEstate(ssh, async (estate) => {
      await passes(estate);
      const calls = estate.calls().filter((line) => line.startsWith('ssh '));
      expect(calls).toHaveLength(3);
      for (const call of calls)
        expect(call).toMatch(
          /^ssh \[-o\] \[BatchMode=yes\] \[-o\] \[ConnectTimeout=5\] \[ops@cache-1\] \[--\] \[/,
        );
      const file = /\/tmp\/cache-ops-drill-\w{6}\.pid/.exec(calls.join())?.[0] ?? '';
      expect(file).not.toBe('');
      expect(existsSync(file)).toBe(false);
    });
  });

  it('ssh: the timer of the far side starts it when everybody here is dead', async () => {
    await withEstate(ssh, async (estate) => {
      const run = estate.spawn([
        'drill',
        'redis-down',
        '--yes',
        '--deadline',
        '4s',
        '--hold',
        '3s',
      ]);
      await run.says('Redis is stopped');
      process.kill(estate.watchdog(), 'SIGKILL');
      run.kill('SIGKILL');
      await run.ended;
      expect(await estate.answers()).toBe(false);
      for (let waited = 0; !(await estate.answers()) && waited < 8_000; waited += 100)
        await sleep(100);
      expect(await estate.answers()).toBe(true);
      expect((await estate.run(['drill', 'restore'])).code).toBe(0);
    });
  });
});

describe.concurrent('what a driver refuses', () => {
  it.each([
    [
      'compose',
      { ...compose, standIns: () => ({ docker: 'echo postgres' }) },
      /service redis is not running/,
    ],
    [
      'systemd',
      {
        ...systemd,
        standIns: () => ({ systemctl: 'printf "LoadState=not-found\\nActiveState=inactive\\n"' }),
      },
      /is not-found and inactive/,
    ],
    [
      'kubernetes',
      {
        ...kubernetes,
        standIns: () => ({
          kubectl:
            'case "$*" in *dry-run*) echo "forbidden: cannot patch" >&2; exit 1;; esac; printf 1',
        }),
      },
      /forbidden: cannot patch/,
    ],
    [
      'ssh',
      { ...ssh, standIns: () => ({ ssh: 'echo "Permission denied (publickey)." >&2; exit 255' }) },
      /Permission denied/,
    ],
  ] as [string, EstateOptions, RegExp][])('%s', async (_, options, message) => {
    await withEstate(options, async (estate) => {
      const { code, stderr } = await estate.run(['drill', 'redis-down', '--yes']);
      expect(stderr).toMatch(message);
      expect(code).toBe(6);
      expect(await estate.answers()).toBe(true);
    });
  });

  it('a target without control: it says which ways there are', async () => {
    await withEstate({ control: 'none' }, async (estate) => {
      const { stderr } = await estate.run(['drill', 'redis-down', '--yes']);
      for (const way of [
        'process',
        'command',
        'docker',
        'compose',
        'systemd',
        'kubernetes',
        'ssh',
        'connection',
      ])
        expect(stderr).toContain(`${way}: `);
    });
  });
});

async function passes(estate: Estate): Promise<void> {
  const { stdout, stderr } = await estate.run(['drill', 'redis-down', '--yes', '--hold', '1s']);
  expect(stderr).toBe('');
  expect(summary(stdout)).toMatchObject({ verdict: 'passed', reasons: [] });
}

async function withEstate(
  options: EstateOptions,
  work: (estate: Estate) => Promise<void>,
): Promise<void> {
  const estate = await startEstate(options);
  try {
    await work(estate);
  } finally {
    await estate.stop();
  }
}
