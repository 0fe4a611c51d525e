// The 80 % alert from end to end: a watcher, a webhook, a Redis that is filled past 80 % and freed again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Redis } from 'ioredis';

/** An eighth of what the sandbox gives its Redis: it is filled in a moment. */
const LIMIT = 32 * 1024 ** 2;
const VALUE = 'x'.repeat(10_000);
const LONGEST = 30_000;

/** Resolves to an exit code: 0 when the webhook was told that it fires, and that it is over. */
export async function alertDemo({ bin, env, show }) {
  const folder = join(env.XDG_STATE_HOME, 'cache-ops/sandbox');
  const yaml = readFileSync(join(folder, 'cache-ops.yaml'), 'utf8');
  const told = [];
  let heard = () => {};
  const hook = createServer(async (request, response) => {
    const body = [];
    for await (const piece of request) body.push(piece);
    const { kind, alerts } = JSON.parse(Buffer.concat(body));
    for (const { rule, summary } of alerts)
      if (rule === 'memory') {
        show(`the webhook is told: ${kind}: ${summary}`);
        told.push(kind);
      }
    response.end();
    heard();
  }).listen(0, '127.0.0.1');
  await once(hook, 'listening');
  const config = join(folder, 'alerts.yaml');
  const sink = `{ name: demo, type: webhook, url: "http://127.0.0.1:${hook.address().port}", secret: "a secret of the demo" }`;
  writeFileSync(
    config,
    `${yaml}
alerts:
  group_wait: 0s
  rules: [{ rule: memory, for: 0s }]
  sinks: [${sink}]
`,
  );
  const line = 'alert watch --interval 1s --json';
  show(`$ cache-ops ${line} &`);
  const watch = spawn(process.execPath, [bin, ...line.split(' '), '--config', config], {
    stdio: 'ignore',
    env,
    detached: true,
  });
  const [, port] = /url: redis:\/\/127\.0\.0\.1:(\d+)/.exec(yaml);
  const password = readFileSync(join(folder, 'redis.password'), 'utf8').trim();
  const redis = new Redis({ port: Number(port), password });
  const [, before] = await redis.config('GET', 'maxmemory');
  await redis.config('SET', 'maxmemory', LIMIT);
  const keys = Array.from({ length: (LIMIT * 0.78) / VALUE.length }, (_, n) => `demo:${n}`);
  const until = async (kind) => {
    const end = Date.now() + LONGEST;
    while (!told.includes(kind) && Date.now() < end)
      await Promise.race([new Promise((resolve) => (heard = resolve)), sleep(500)]);
    return told.includes(kind);
  };
  try {
    show(`Redis is filled past 80 % of ${LIMIT / 1024 ** 2} MB`);
    for (const key of keys) await redis.set(key, VALUE, 'EX', 300);
    const fired = await until('firing');
    show('and freed');
    await redis.unlink(...keys);
    return fired && (await until('resolved')) ? 0 : 1;
  } finally {
    await redis.unlink(...keys);
    await redis.config('SET', 'maxmemory', before);
    redis.disconnect();
    watch.kill('SIGTERM');
    if (watch.exitCode === null) await once(watch, 'exit');
    hook.close();
    hook.closeAllConnections();
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref());
