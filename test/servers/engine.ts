import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { binary, demandBinary } from './binaries.js';
import { freePort } from './ports.js';
import { removeFolder, until } from './wait.js';

/** Why there can be no container engine here; undefined where there can. */
export function engineMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'containers need root';
  const absent = ['docker', 'podman', 'conmon', 'runc'].find((name) => !binary(name));
  return absent && `${absent} is not there: run node test/bootstrap.mjs`;
}

export interface Engine {
  /** What the docker client needs in its environment. */
  env: { DOCKER_HOST: string };
  /** Runs the docker client and returns what it says. */
  docker(...args: string[]): string;
  /** A container that runs this machine's redis-server on a port of the host. */
  redis(name: string, settings?: string[], ...options: string[]): Promise<number>;
  stop(): Promise<void>;
}

/**
 * A real container engine where no Docker daemon runs: podman and runc behind podman's
 * Docker-compatible socket, spoken to by the ordinary docker client. All of it lives in one folder.
 */
export async function startEngine(): Promise<Engine> {
  const dir = mkdtempSync(join(tmpdir(), 'cache-ops-engine-'));
  const image = join(dir, 'image');
  copyProgram(serverProgram(), image);
  mkdirSync(join(image, 'tmp'));
  mkdirSync(join(dir, 'tmp'));
  writeFiles(dir);
  const env = {
    ...process.env,
    CONTAINERS_CONF: join(dir, 'containers.conf'),
    CONTAINERS_STORAGE_CONF: join(dir, 'storage.conf'),
    TMPDIR: join(dir, 'tmp'),
  };
  const podman = (...args: string[]) =>
    execFileSync(demandBinary('podman'), ['--log-level', 'error', ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
    });
  const policy = ['--signature-policy', join(dir, 'policy.json')];
  execFileSync('tar', ['-C', image, '-cf', join(dir, 'image.tar'), '.']);
  podman('import', ...policy, join(dir, 'image.tar'), 'cache-ops-redis:test');
  const socket = join(dir, 'podman.sock');
  const service = spawn(
    demandBinary('podman'),
    ['system', 'service', '--time', '0', `unix://${socket}`],
    { env, stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => service.once('exit', resolve));
  await until(() => existsSync(socket), { what: "the engine's socket" });
  const DOCKER_HOST = `unix://${socket}`;
  return {
    env: { DOCKER_HOST },
    docker: (...args) =>
      execFileSync(demandBinary('docker'), args, {
        env: { ...process.env, DOCKER_HOST },
        encoding: 'utf8',
      }),
    async redis(name, settings = [], ...options) {
      const port = await freePort();
      podman(
        ...['run', '--detach', '--name', name, ...policy, '--net', 'host', ...options],
        ...['cache-ops-redis:test', '/redis-server', '--port', String(port)],
        ...[
          '--bind',
          '127.0.0.1',
          '--dir',
          '/tmp',
          '--save',
          '',
          '--appendonly',
          'yes',
          ...settings,
        ],
      );
      return port;
    },
    async stop() {
      podman('rm', '--all', '--force', '--time', '0');
      service.kill('SIGTERM');
      await ended;
      await removeFolder(dir);
    },
  };
}

/** The program itself: what the bootstrap brings is a script that sets the way to its libraries. */
function serverProgram(): string {
  const found = realpathSync(demandBinary('redis-server'));
  const brought = join(dirname(dirname(found)), 'root', 'usr', 'bin');
  const names = ['redis-server', 'redis-check-rdb'].map((name) => join(brought, name));
  return realpathSync(names.find((path) => existsSync(path)) ?? found);
}

/** A program and every library that it is linked to, at the same paths. */
function copyProgram(program: string, image: string): void {
  const libraries = join(dirname(program), '..', 'lib');
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: execFileSync('sh', ['-c', `echo ${libraries}/*-linux-gnu*`], {
      encoding: 'utf8',
    }).trim(),
  };
  const linked = execFileSync('ldd', [program], { env, encoding: 'utf8' });
  mkdirSync(image);
  cpSync(program, join(image, 'redis-server'));
  for (const [, file = ''] of linked.matchAll(/(\/\S+\.so\S*)/g)) {
    // The loader looks in /lib, wherever the library was found here.
    const to = /\/ld-linux/.test(file) ? file : join('/lib', file.split('/').pop() ?? '');
    mkdirSync(join(image, dirname(to)), { recursive: true });
    cpSync(realpathSync(file), join(image, to));
  }
}

function writeFiles(dir: string): void {
  const write = (name: string, text: string, mode = 0o644) =>
    writeFileSync(join(dir, name), text, { mode });
  write('policy.json', '{"default":[{"type":"insecureAcceptAnything"}]}');
  write(
    'storage.conf',
    `[storage]\ndriver="vfs"\ngraphroot="${dir}/graph"\nrunroot="${dir}/run"\n`,
  );
  write(
    'containers.conf',
    `[engine]
cgroup_manager="cgroupfs"
events_logger="file"
conmon_path=["${demandBinary('conmon')}"]
runtime="runc"
[engine.runtimes]
runc=["${dir}/runc"]
[containers]
netns="host"
seccomp_profile="unconfined"
`,
  );
  // In a sandbox runc may neither raise limits nor set the OOM score: both are left out.
  write(
    'strip.cjs',
    `const fs = require('node:fs'), file = process.argv[2], bundle = JSON.parse(fs.readFileSync(file));
delete bundle.process.rlimits; delete bundle.process.oomScoreAdj; fs.writeFileSync(file, JSON.stringify(bundle));`,
  );
  write(
    'runc',
    `#!/bin/sh
last=""
for word in "$@"; do
  [ "$last" = --bundle ] && [ -f "$word/config.json" ] && "${process.execPath}" "${dir}/strip.cjs" "$word/config.json"
  last="$word"
done
exec "${demandBinary('runc')}" "$@"
`,
    0o755,
  );
}
