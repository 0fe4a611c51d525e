import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, engineMissing, startEngine } from '../servers/engine.js';
import { until } from '../servers/wait.js';
import { type Estate, startEstate, summary } from './estate.js';
import { isRestored } from './matrix.js';

const missing = engineMissing();
let engine: Engine;

describe.skipIf(missing)(`on a container engine (${missing ?? 'podman and runc'})`, () => {
  beforeAll(async () => {
    engine = await startEngine();
  });
  afterAll(() => engine?.stop());

  it.each(['redis-down', 'redis-hang'])(
    '%s passes, and the container runs as before',
    async (drill) => {
      await withContainer(['--restart', 'always'], async (estate, name) => {
        const { code, stdout } = await estate.run(['drill', drill, '--yes', '--hold', '600ms']);
        expect(summary(stdout)).toMatchObject({ verdict: 'passed', reasons: [], restored: true });
        expect(code).toBe(0);
        expect(stateOf(name)).toBe('running');
      });
    },
  );

  it.each([
    ['redis-down', 'Redis is stopped', 'exited'],
    ['redis-hang', 'Redis hangs', 'paused'],
  ])(
    '%s: restored by the watchdog after kill -9, and by drill restore when both are killed',
    async (drill, broken, state) => {
      await withContainer(['--restart', 'always'], async (estate, name) => {
        const before = await estate.fingerprint();
        const argv = ['drill', drill, '--yes', '--hold', '8s'];
        const first = estate.spawn(argv);
        await first.says(broken);
        expect(stateOf(name)).toBe(state);
        first.kill('SIGKILL');
        await first.ended;
        await isRestored(estate, before);

        const second = estate.spawn(argv);
        await second.says(broken);
        process.kill(estate.watchdog(), 'SIGKILL');
        second.kill('SIGKILL');
        await second.ended;
        expect(stateOf(name)).toBe(state);
        expect((await estate.run(['drill', 'restore'])).code).toBe(0);
        expect(stateOf(name)).toBe('running');
        expect(await estate.fingerprint()).toBe(before);
      });
    },
  );

  it('refuses a container that would not come back, that is not there, or that runs no more', async () => {
    await withContainer(['--restart', 'no'], async (estate, name) => {
      const refused = async (message: RegExp) => {
        const { code, stderr } = await estate.run(['drill', 'redis-down', '--yes']);
        expect(stderr).toMatch(message);
        expect(code).toBe(6);
      };
      await refused(/would not come back after a reboot \(restart policy no\)[\s\S]*docker update/);
      engine.docker('rename', name, `${name}-2`);
      await refused(/docker knows no container/);
      engine.docker('rename', `${name}-2`, name);
    });
    await withContainer(['--rm'], async (estate) => {
      const { stderr } = await estate.run(['drill', 'redis-down', '--yes']);
      expect(stderr).toMatch(/removed when it is stopped \(--rm\)/);
    });
  });
});

const stateOf = (name: string) =>
  engine.docker('inspect', '--format', '{{.State.Status}}', name).trim();

let count = 0;
async function withContainer(
  options: string[],
  work: (estate: Estate, name: string) => Promise<void>,
): Promise<void> {
  count += 1;
  const name = `drill-redis-${count}`;
  const port = await engine.redis(name, ['--requirepass', 'pass word'], ...options);
  const server = { port, pid: 0, pidFile: '', startCommand: '', kill() {}, stop: async () => {} };
  const estate = await startEstate({
    server,
    env: engine.env,
    control: { yaml: `{ docker: { container: ${name} } }` },
  });
  try {
    await until(() => estate.answers());
    await estate.redisSet('mine', 'precious');
    await work(estate, name);
  } finally {
    await estate.stop();
  }
}
