import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeSite, type Site } from './site.js';

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

describe('a configuration that cannot be used ends every command with 2 and one line', () => {
  it.each<[what: string, text: string, said: string]>([
    ['bad YAML', 'redis:\n  main: [1', ':2:11: Flow sequence in block collection must be'],
    ['a key that is there twice', 'estate: a\nestate: b', ':2:1: this key is there twice'],
    ['nothing in it', '', ': is empty; expected a mapping such as "redis: ..."'],
    ['comments only', '# to do\n', ': is empty; expected a mapping'],
    ['a list', '- redis', ': expected a mapping such as "redis: ..." at the top'],
    ['redis: 5', 'redis: 5', ':1:1: redis: expected a mapping, found a number'],
    ['redis without a value', 'redis:', ':1:1: redis: expected a mapping, found nothing'],
    [
      'a number for text',
      'estate: 5',
      ':1:1: estate: expected text, found a number (put it in quotes)',
    ],
    [
      'a URL of another kind',
      'redis:\n  main: "hunter2:x@h"',
      ':2:3: redis.main.url: does not start with redis://, rediss://, unix://',
    ],
    [
      'a URL that is none',
      'redis: { main: "redis://u:hunter2/x@h" }',
      ': redis.main.url: is not a URL; expected redis://',
    ],
    [
      'a worker that cannot be found',
      'workers: { one: { control: { process: { start: "true" } } } }',
      ': workers.one.control.process.pidFile: expected either pidFile or port, to find the process',
    ],
    [
      'a worker that is stopped and not killed',
      'workers: { one: { control: { command: { stop: x, start: y } } } }',
      ': workers.one.control.command.kill: ',
    ],
    [
      'a worker of an application that is not there',
      'applications: { back: { health: "http://h" } }\nworkers: { one: { application: bakc, control: { docker: { container: c } } } }',
      ':2:19: workers.one.application: no application is named "bakc" (did you mean back?)',
    ],
    [
      'tasks in a Postgres that is not there',
      'postgres: { main: "postgres://h/d" }\napplications: { back: { health: "http://h", tasks: { start: POST /x, body: b, read: "GET /x/{task}", postgres: mian } } }',
      ': applications.back.tasks.postgres: no postgres is named "mian" (did you mean main?)',
    ],
    [
      'a bad size',
      'redis: { main: { url: "redis://h", capacity: 1 parsec } }',
      ': redis.main.capacity: "1 parsec" is not a size; write 10kb, 256mb or 1gb',
    ],
    [
      'a bad duration',
      'health: { sample: soon }',
      ': health.sample: "soon" is not a duration; write 500ms, 2s, 5m or 1h',
    ],
    [
      'an unknown key',
      'redis:\n  main:\n    url: redis://h\n    passwrod: hunter2',
      ':4:5: redis.main.passwrod: unknown key "passwrod", did you mean password?',
    ],
    [
      'a key that is like no other',
      'xyzzy: 1',
      ': xyzzy: unknown key "xyzzy" (known: estate, environment, redis,',
    ],
    [
      'a name that is not there',
      'redis: { main: "redis://h" }\nqueues: [{ engine: bullmq, redis: mian }]',
      ':2:28: queues.0.redis: no redis is named "mian" (did you mean main?)',
    ],
    [
      'a URL for a name',
      'queues: [{ engine: bullmq, redis: "redis://:hunter2@h" }]',
      ': queues.0.redis: expected the name of a redis, found a URL',
    ],
    [
      'an unknown engine',
      'queues: [{ engine: kafka }]',
      ': queues.0.engine: expected one of bullmq, pgboss',
    ],
    [
      'two ways to one Redis',
      'redis: { main: { url: "redis://h", cluster: ["a:1"] } }',
      ': redis.main: expected exactly one of url, sentinel, cluster',
    ],
    [
      'a value for tls',
      'redis: { main: { url: "rediss://h", tls: 5 } }',
      ': redis.main.tls: expected true or false or a mapping, found a number',
    ],
    ['a bad name', 'redis: { a b: "redis://h" }', ': redis.a b: a name has letters, digits'],
    [
      'a variable that is not set',
      'redis:\n  main: ${NOWHERE}',
      ':2:3: redis.main: the environment variable NOWHERE is not set',
    ],
    [
      'a file that is not there',
      'redis: { main: { url: { file: nope } } }',
      ': redis.main.url: cannot read nope (ENOENT)',
    ],
    ['a variable in { } without quotes', 'redis: { main: ${REDIS_URL} }', ':1:17: Unexpected'],
    [
      'a password that begins with *',
      'redis: { main: { url: "redis://h", password: *hunter2 } }',
      ': a value begins with * and is no alias: put it in quotes',
    ],
    [
      'a password that begins with !',
      'redis: { main: { url: "redis://h", password: !hunter2 } }',
      ':1:46: a value begins with ! and is no tag: put it in quotes',
    ],
    [
      'a password after |',
      'redis:\n  main:\n    password: |hunter2',
      ': Block scalar header includes extra characters',
    ],
  ])('%s', async (_, text, said) => {
    const file = site.write('cache-ops.yaml', text);
    const { code, stdout, stderr } = await site.run(['ping']);
    const [line, ...more] = stderr.trimEnd().split('\n');
    const placed = /^:\d/.test(said) ? line : line?.replace(/\.yaml:\d+:\d+/, '.yaml');
    expect(placed).toContain(`cache-ops: ${file}${said}`);
    expect(more.filter((extra) => !extra.startsWith('  hint: '))).toEqual([]);
    expect(stderr).not.toContain('hunter2');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });

    const json = await site.run(['ping', '--json']);
    expect(json).toMatchObject({ code: 2, stdout: '' });
    expect(JSON.parse(json.stderr).error).toMatchObject({
      code: 'config',
      message: line?.slice(11),
    });
  });

  it('says what to do about a variable in { }', async () => {
    site.write('cache-ops.yaml', 'redis: { main: ${REDIS_URL} }');
    const { stderr } = await site.run(['ping']);
    expect(stderr).toContain('hint: within { } and [ ] quote it: "${NAME}"');
  });

  it('counts the problems that it does not tell', async () => {
    site.write('cache-ops.yaml', 'a: 1\nb: 2\nredis: 5');
    const { stderr } = await site.run(['ping']);
    expect(stderr).toContain(':1:1: a: unknown key "a"');
    expect(stderr).toContain('(and 2 more)\n  hint: all problems: cache-ops config check');
  });

  it.each([
    ['missing.yaml', 'does not exist'],
    ['.', 'is a folder'],
  ])('--config %s', async (name, said) => {
    const { code, stderr } = await site.run(['ping', '--config', name]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(new RegExp(`^cache-ops: ${site.folder}\\S*: ${said}\n$`)),
    });
  });

  // root may read everything.
  it.skipIf(process.getuid?.() === 0)('a file without the right to read it', async () => {
    const file = site.write('cache-ops.yaml', 'estate: x', 0o000);
    const { code, stderr } = await site.run(['ping']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `cache-ops: ${file}: may not be read by this user\n`,
    });
  });

  it.each([
    [{ REDIS_URL: 'hunter2' }, 'REDIS_URL: is not a URL'],
    [{ REDIS_HOST: 'h', REDIS_PORT: 'x' }, 'REDIS_HOST and REDIS_PORT: is not a URL'],
    [{ REDIS_HOST: 'h', REDIS_DB: 'x' }, 'REDIS_DB: expected a whole number\n'],
    [{ DATABASE_URL: 'mysql://u:hunter2@h/d' }, 'DATABASE_URL: does not start with postgres://'],
  ])('variables: %j', async (env, said) => {
    const { code, stdout, stderr } = await site.run(['ping'], env);
    expect(stderr).toContain(`cache-ops: the environment: ${said}`);
    expect(stderr).not.toContain('hunter2');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

describe('what a file may be', () => {
  const show = async (text: string, env?: Record<string, string>) => {
    const file = site.write('cache-ops.yaml', text);
    const { code, stdout, stderr } = await site.run(['config', 'show', '--json', '-c', file], env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout).config;
  };

  it('has rules for keys, and for alerts, whose details belong to others', async () => {
    const config = await show(`
keys:
  prefix: langextract
  rules:
    - { match: "{prefix}:{env}:task:import:{user}:{task}", ttl: 24h, max_ttl: 48h, max_size: 10kb }
alerts: { interval: 60s, rules: [{ metric: memory, above: 80 }], sinks: [{ kind: mail, to: ops@example.com }] }`);
    expect(config.keys).toEqual({
      prefix: 'langextract',
      rules: [
        {
          match: '{prefix}:{env}:task:import:{user}:{task}',
          ttl: 86_400_000,
          max_ttl: 172_800_000,
          ttl_required: true,
          max_size: 10_240,
        },
      ],
    });
    expect(config.alerts).toEqual({
      interval: 60_000,
      group_wait: 30_000,
      repeat: 14_400_000,
      rules: [{ metric: 'memory', above: 80 }],
      sinks: [{ kind: 'mail', to: 'ops@example.com' }],
    });
  });

  it('takes a number from a variable', async () => {
    const config = await show('redis:\n  main: { url: "redis://h", db: "${DB}" }', { DB: '3' });
    expect(config.redis.main.db).toBe(3);
  });

  it('is JSON', async () => {
    const file = site.write('cache-ops.json', '{"redis":{"main":"redis://h"}}');
    const { code, stdout, stderr } = await site.run(['config', 'show']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `from ${file}\n` });
    expect(stdout).toContain('url: redis://h\n');
  });

  it('names certificate files relative to itself, wherever the command is run', async () => {
    const file = site.write(
      'a/cache-ops.yaml',
      'redis: { main: { url: "rediss://h", tls: { ca: ca.pem } } }',
    );
    const { stdout } = await site.run(['config', 'show', '--json', '--config', file]);
    expect(JSON.parse(stdout).config.redis.main.tls.ca).toBe(`${site.folder}/a/ca.pem`);
  });
});
