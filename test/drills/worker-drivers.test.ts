import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { summary } from './estate.js';
import {
  type Place,
  type Servers,
  startServers,
  startWorkers,
  stopServers,
  type Workers,
  type WorkersOptions,
} from './workers.js';

// The orchestrators are not on this machine: stand-ins of that name write down how they were called,
// and kill and start a real worker as the real ones would.

const DRILL = ['drill', 'worker-crash', 'worker-1', '--yes', '--hold', '100ms', '--timeout', '30s'];
/** Each waits for a lease to end, beside others. */
const LONG = 120_000;
let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers && stopServers(servers));

const kill = ({ pidFile }: Place) => `kill -9 $(cat ${pidFile})`;
const there = ({ pidFile }: Place) => `kill -0 $(cat ${pidFile}) 2>/dev/null`;
const start = (place: Place) => `${place.start} >/dev/null 2>&1`;

const docker: WorkersOptions = {
  control: () => '{ docker: { container: asl-worker } }',
  standIns: (place) => ({
    docker: `case "$*" in *HostConfig*) echo running false unless-stopped;; inspect*) ${there(place)} && echo running;; kill*) ${kill(place)};; start*) ${start(place)};; esac`,
  }),
};
const compose: WorkersOptions = {
  workers: 1,
  control: () => '{ compose: { service: worker, project: asl } }',
  standIns: (place) => ({
    docker: `case "$*" in *" ps "*) ${there(place)} && echo worker;; *" kill "*) ${kill(place)};; *" start "*) ${start(place)};; esac`,
  }),
};
const systemd: WorkersOptions = {
  control: () => '{ systemd: { unit: asl-worker.service } }',
  standIns: (place) => ({
    systemctl: `case "$1 $2" in show*) printf 'LoadState=loaded\\nActiveState=active\\n';; kill*) ${kill(place)};; is-active*) ${there(place)};; "start asl-worker.service") ${start(place)} & ;; esac`,
    'systemd-run': 'exit 0',
  }),
};
const kubernetes: WorkersOptions = {
  workers: 1,
  supervised: true,
  control: () => '{ kubernetes: { namespace: asl, workload: deployment/worker } }',
  standIns: (place) => ({
    kubectl: `case "$*" in *matchLabels*) printf '{"app":"worker","tier":"jobs"}';; *dry-run*) ;; *readyReplicas*) ${there(place)} && printf 1;; *delete*) ${kill(place)};; esac`,
  }),
};
const ssh: WorkersOptions = {
  control: (place) =>
    `{ ssh: { host: ops@worker-1, kill: "./kill-worker", alive: "${there(place).replace(/ 2>.*/, '')}", start: "./start-worker" } }`,
  standIns: (place) => ({
    // The far side is this machine.
    ssh: 'cd "$HOME/bin"; for last in "$@"; do :; done; exec sh -c "$last"',
    'kill-worker': kill(place),
    'start-worker': start(place),
  }),
};
const command: WorkersOptions = {
  control: (place) =>
    `{ command: { kill: "${kill(place)}", alive: "${there(place)}", start: "${start(place)}" } }`,
};

describe.concurrent('how each driver kills a worker', { timeout: LONG }, () => {
  it('docker: by the engine, which would not start it again of itself', async () => {
    await passes(docker, (calls) => {
      expect(calls).toContain('docker [kill] [--signal] [KILL] [asl-worker]');
      expect(calls).toContain('docker [start] [asl-worker]');
    });
  });

  it('docker compose: all replicas at once, and says so', async () => {
    await passes(compose, async (calls, estate) => {
      expect(calls).toContain('docker [compose] [-p] [asl] [kill] [-s] [SIGKILL] [worker]');
      expect(calls).toContain('docker [compose] [-p] [asl] [start] [worker]');
      const { stdout } = await estate.run([...DRILL, '--dry-run', '--json']);
      expect(JSON.parse(stdout).break).toMatch(/all its replicas die at once/);
    });
  });

  it("systemd: a timer of systemd's own is armed first", async () => {
    await passes(systemd, (calls) => {
      const killed = calls.indexOf('systemctl [kill] [--signal=SIGKILL] [asl-worker.service]');
      expect(calls[killed - 1]).toMatch(
        /^systemd-run .*\[--on-active=900\] \[systemctl\] \[start\] \[asl-worker.service\]$/,
      );
      expect(calls).toContain('systemctl [start] [asl-worker.service]');
      expect(calls.join('\n')).toMatch(/^systemctl \[stop\] \[cache-ops-drill-\w{6}\.timer\]$/m);
    });
  });

  it('kubernetes: its pods, by the labels of the workload; their controller makes new ones', async () => {
    await passes(kubernetes, (calls) => {
      const head =
        'kubectl [-n] [asl] [delete] [pod] [-l] [app=worker,tier=jobs] [--grace-period=0] [--force]';
      expect(calls.filter((call) => call.includes('[delete]'))).toEqual([
        `${head} [--dry-run=server]`,
        head,
      ]);
    });
  });

  it('ssh: over there', async () => {
    await passes(ssh, (calls) => {
      expect(calls).toContain(
        'ssh [-o] [BatchMode=yes] [-o] [ConnectTimeout=5] [ops@worker-1] [--] [./kill-worker]',
      );
    });
  });

  it('command: commands of ones own', async () => {
    await passes(command, () => {});
  });

  it('process: found by its port, and started again by its supervisor', async () => {
    const byPort: WorkersOptions = {
      workers: 1,
      supervised: true,
      control: ({ port }) => `{ process: { port: ${port} } }`,
    };
    await passes(byPort, () => {});
  });
});

it.each([
  [
    'docker',
    { ...docker, standIns: () => ({ docker: 'echo running true no' }) },
    /is removed when it is stopped/,
  ],
  ['compose', { ...compose, standIns: () => ({ docker: 'exit 0' }) }, /worker-1 is not there/],
  [
    'systemd',
    {
      ...systemd,
      standIns: () => ({ systemctl: 'printf "LoadState=not-found\\n"', 'systemd-run': '' }),
    },
    /is not-found/,
  ],
  [
    'kubernetes',
    {
      ...kubernetes,
      supervised: false,
      standIns: () => ({
        kubectl:
          'case "$*" in *dry-run*) echo "forbidden: cannot delete pods" >&2; exit 1;; esac; printf \'{"app":"w"}\'',
      }),
    },
    /cannot delete pods/,
  ],
  [
    'ssh',
    { ...ssh, standIns: () => ({ ssh: 'echo "Permission denied (publickey)." >&2; exit 255' }) },
    /Permission denied/,
  ],
] as [string, WorkersOptions, RegExp][])(
  '%s refuses what it could not do',
  async (_, options, message) => {
    await withWorkers({ ...options, workers: 1 }, async (estate) => {
      const pid = estate.pid(1);
      const { code, stderr } = await estate.run(DRILL);
      expect(stderr).toMatch(message);
      expect(code).toBe(6);
      expect(estate.pid(1)).toBe(pid);
    });
  },
);

async function passes(
  options: WorkersOptions,
  about: (calls: string[], estate: Workers) => void | Promise<void>,
): Promise<void> {
  await withWorkers(options, async (estate) => {
    const pid = estate.pid(1);
    const { stdout, stderr } = await estate.run(DRILL);
    expect(stderr).toBe('');
    expect(summary(stdout)).toMatchObject({ verdict: 'passed', reasons: [], restored: true });
    expect(estate.pid(1)).not.toBe(pid);
    await about(options.standIns ? estate.calls() : [], estate);
  });
}

async function withWorkers(
  options: WorkersOptions,
  work: (estate: Workers) => Promise<void>,
): Promise<void> {
  const estate = await startWorkers(servers, options);
  try {
    await work(estate);
  } finally {
    await estate.stop();
  }
}
