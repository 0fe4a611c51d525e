import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { redactUrl } from '../../src/config/secrets.js';
import { makeSite, type Site } from './site.js';

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

describe('config init', () => {
  const URLS = { REDIS_URL: 'redis://:hunter2@h', DATABASE_URL: 'postgres://u:hunter2@h/d' };
  it.each<[string, Record<string, string>, object]>([
    [
      'URLs',
      URLS,
      {
        redis: { main: { url: 'redis://:***@h' } },
        postgres: { main: { url: 'postgres://u:***@h/d' } },
      },
    ],
    ['a Redis alone', { REDIS_URL: 'redis://h' }, { postgres: {}, queues: [{ engine: 'bullmq' }] }],
    [
      'parts',
      {
        REDIS_HOST: 'h',
        REDIS_PORT: '7000',
        REDIS_PASSWORD: 'hunter2',
        REDIS_DB: '2',
        REDIS_PREFIX: 'lx',
        ENV: 'staging',
      },
      {
        environment: 'staging',
        redis: { main: { url: 'redis://h:7000', password: '***', db: 2 } },
        keys: { prefix: 'lx' },
      },
    ],
    ['a host alone', { REDIS_HOST: 'h' }, { redis: { main: { url: 'redis://h:6379' } } }],
  ])('fits %s, holds no secret and passes the check', async (_, env, config) => {
    const file = join(site.folder, 'cache-ops.yaml');
    expect(await site.run(['config', 'init'], env)).toEqual({
      code: 0,
      stdout: '',
      stderr: `Written: ${file}. Next: cache-ops config check\n`,
    });
    expect(readFileSync(file, 'utf8')).not.toContain('hunter2');
    const check = await site.run(['config', 'check'], env);
    expect(check).toEqual({ code: 0, stdout: '', stderr: `${file} is fine\n` });
    const { stdout } = await site.run(['config', 'show'], env);
    expect(parse(stdout)).toMatchObject(config);
  });

  it('reads .env as other commands do', async () => {
    site.write('.env', 'REDIS_URL=redis://h\n');
    const { stderr } = await site.run(['config', 'init']);
    expect(stderr).not.toContain('is not set');
    expect((await site.run(['config', 'check'])).code).toBe(0);
  });

  it('says which variable is to be set', async () => {
    const { code, stderr } = await site.run(['config', 'init']);
    expect(code).toBe(0);
    expect(stderr).toContain('REDIS_URL is not set here.\n');
  });

  it('keeps a file that is there, unless told to overwrite it', async () => {
    const file = site.write('own.yaml', 'estate: mine\n');
    const refused = await site.run(['config', 'init', '--file', 'own.yaml']);
    expect(refused).toEqual({
      code: 6,
      stdout: '',
      stderr: `cache-ops: ${file} is there already\n  hint: add --force to overwrite it\n`,
    });
    expect(readFileSync(file, 'utf8')).toBe('estate: mine\n');
    expect((await site.run(['config', 'init', '--file', 'own.yaml', '--force'])).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain('${REDIS_URL}');
  });

  it('prints it and writes nothing with --dry-run', async () => {
    const { code, stdout, stderr } = await site.run(['config', 'init', '--dry-run'], {
      REDIS_URL: 'redis://h',
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(parse(stdout)).toMatchObject({ redis: { main: { url: '${REDIS_URL}' } } });
    expect(existsSync(join(site.folder, 'cache-ops.yaml'))).toBe(false);
  });

  it('says in one line that it cannot write', async () => {
    const { code, stderr } = await site.run(['config', 'init', '--file', 'no/where.yaml']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `cache-ops: cannot write ${site.folder}/no/where.yaml: the folder does not exist\n`,
    });
  });

  it('has examples that are right once their comment signs are taken away', async () => {
    const { stdout } = await site.run(['config', 'init', '--dry-run'], { REDIS_URL: 'redis://h' });
    // A word after "# " is said to people; what follows "#" otherwise is an example.
    const text = stdout.replace(/^( *)#(?! \S)/gm, '$1');
    site.write('all.yaml', text);
    site.write('certs/ca.pem', '-----BEGIN CERTIFICATE-----');
    const alerts = { ALERT_URL: 'http://h/hook', ALERT_SECRET: 's' };
    const env = { REDIS_URL: 'redis://h', DATABASE_URL: 'postgres://h/d', ...alerts };
    const check = await site.run(['config', 'check', '-c', 'all.yaml'], env);
    expect(check).toMatchObject({ code: 0, stdout: '' });
    const { stdout: shown } = await site.run(['config', 'show', '-c', 'all.yaml'], env);
    expect(parse(shown)).toMatchObject({
      redis: { main: { capacity: 268_435_456, tls: {}, control: { command: {} } } },
      postgres: { main: {} },
      queues: [{ engine: 'bullmq' }, { engine: 'pgboss' }],
      applications: { backend: {} },
      keys: { rules: [{ ttl: 86_400_000 }] },
    });
  });
});

describe('config show', () => {
  const SECRETS = `
redis:
  main:
    url: redis://user:hunter2%40a@host:6379/0?password=hunter2&name=x
    control: { command: { stop: "redis-cli -a hunter2 shutdown", start: "X_PASSWORD=hunter2 redis-server --requirepass 'hunter2 b'" } }
  watched: { sentinel: { name: m, nodes: ["s:1"], password: hunter2 }, password: hunter2 }
  filed: { url: { file: url.txt }, password: { file: password.txt } }
  short: redis://:hunter2@short
postgres: { main: "postgres://u:hunter2@h/d?sslpassword=hunter2" }
applications:
  backend:
    health: http://u:hunter2@app/health?token=hunter2
    headers: { Authorization: Bearer hunter2, X-Tenant: hunter2, X-Filed: { file: password.txt } }
alerts:
  sinks:
    - { kind: dingtalk, url: "https://oapi.example/send?access_token=hunter2", secret: hunter2 }
    - { kind: slack, url: "https://hooks.example/services/hunter2", note: { file: password.txt } }
`;
  beforeEach(() => {
    site.write('cache-ops.yaml', SECRETS);
    site.write('url.txt', 'redis://u:hunter2@filed:1\n');
    site.write('password.txt', 'hunter2\n');
  });

  it.each([[[]], [['--json']]])(
    'hides every secret and keeps hosts and users %j',
    async (flags) => {
      const { code, stdout } = await site.run(['config', 'show', ...flags]);
      expect(code).toBe(0);
      expect(stdout).not.toMatch(/hunter2/);
      const shown = parse(stdout);
      const config = shown.config ?? shown;
      expect(config.redis).toMatchObject({
        main: {
          url: 'redis://user:***@host:6379/0?password=***&name=x',
          control: {
            command: {
              stop: 'redis-cli -a *** shutdown',
              start: 'X_PASSWORD=*** redis-server --requirepass ***',
            },
          },
        },
        watched: { sentinel: { name: 'm', nodes: ['s:1'], password: '***' }, password: '***' },
        filed: { url: 'redis://u:***@filed:1', password: '***' },
        short: { url: 'redis://:***@short' },
      });
      expect(config.applications.backend).toMatchObject({
        health: 'http://u:***@app/health?token=***',
        headers: { Authorization: '***', 'X-Tenant': '***', 'X-Filed': '***' },
      });
      expect(config.alerts.sinks).toEqual([
        { kind: 'dingtalk', url: 'https://oapi.example/***', secret: '***' },
        { kind: 'slack', url: 'https://hooks.example/***', note: '***' },
      ]);
    },
  );

  it('says where it is from, on stderr, or as a field of the JSON', async () => {
    const { stderr } = await site.run(['config', 'show']);
    expect(stderr).toBe(`from ${site.folder}/cache-ops.yaml\n`);
    const json = await site.run(['config', 'show', '--json']);
    expect(json.stderr).toBe('');
    expect(JSON.parse(json.stdout).file).toBe(`${site.folder}/cache-ops.yaml`);
  });

  it('shows what the environment leads to where there is no file', async () => {
    const empty = makeSite();
    const env = {
      REDIS_HOST: 'h',
      REDIS_PASSWORD: 'hunter2',
      DATABASE_URL: 'postgres://u:hunter2@h/d',
    };
    const { stdout, stderr } = await empty.run(['config', 'show'], env);
    empty.remove();
    expect(stderr).toBe('from the environment\n');
    expect(parse(stdout)).toMatchObject({
      redis: { main: { url: 'redis://h:6379', password: '***', roles: ['cache', 'queue'] } },
      postgres: { main: { url: 'postgres://u:***@h/d' } },
      queues: [{ engine: 'bullmq', prefix: 'bull' }, { engine: 'pgboss' }],
    });
  });

  it('sends no control character to the terminal', async () => {
    writeFileSync(join(site.folder, 'cache-ops.yaml'), 'estate: "a\\e[31mb\\x9b31mc\\u202ed"');
    for (const flags of [[], ['--json']]) {
      const { stdout } = await site.run(['config', 'show', ...flags]);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come out
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
  });
});

describe('config check', () => {
  const check = async (text: string, env?: Record<string, string>) => {
    site.write('cache-ops.yaml', text);
    const { code, stdout, stderr } = await site.run(['config', 'check', '--json'], env);
    return { code, stderr, ...(JSON.parse(stdout) as { problems: Told[]; warnings: Told[] }) };
  };
  interface Told {
    path: string;
    line: number | null;
    message: string;
  }
  const brief = ({ line, path, message }: Told) => `${line} ${path}: ${message}`;

  it('tells every problem at once, in the order of the file, and ends with 2', async () => {
    const { code, problems, stderr } = await check(`redis:
  main:
    url: \${NOT_SET}
    passwrod: x
  second: { url: "redis://h", capacity: much, tls: { ca: nope.pem } }
  third: { db: x }
reds: {}
queues:
  - { engine: bullmq, redis: mian }
applications:
  a: { health: "\${NOR_THIS}" }`);
    expect(problems.map(brief)).toEqual([
      '3 redis.main.url: the environment variable NOT_SET is not set',
      '4 redis.main.passwrod: unknown key "passwrod", did you mean password?',
      '5 redis.second.capacity: "much" is not a size; write 10kb, 256mb or 1gb',
      `5 redis.second.tls.ca: cannot read the certificate file ${site.folder}/nope.pem (ENOENT)`,
      '6 redis.third.db: expected a whole number',
      '6 redis.third: expected exactly one of url, sentinel, cluster',
      '7 reds: unknown key "reds", did you mean redis?',
      '9 queues.0.redis: no redis is named "mian" (did you mean main?)',
      '11 applications.a.health: the environment variable NOR_THIS is not set',
    ]);
    expect(code).toBe(2);
    expect(JSON.parse(stderr).error).toMatchObject({
      code: 'config',
      message: expect.stringContaining(': 9 problems'),
    });
  });

  it('shows a line for each in a pipe', async () => {
    site.write('cache-ops.yaml', 'redis: { main: { url: "redis://:hunter2@h", x: 1 } }');
    const { code, stdout, stderr } = await site.run(['config', 'check']);
    expect(stdout).toMatch(
      /^problem\t1\tredis\.main\.x\tunknown key "x".*\nwarning\t1\tredis\.main\.url\ta secret stands .*\n$/,
    );
    expect(stderr).toMatch(/^cache-ops: .*cache-ops\.yaml: 1 problem\n {2}hint: /);
    expect(code).toBe(2);
  });

  it.each<[string, string[]]>([
    ['redis: { main: "redis://:hunter2@h" }', ['1 redis.main']],
    ['redis:\n  main:\n    url: redis://h\n    password: hunter2', ['4 redis.main.password']],
    ['redis:\n  main:\n    url: redis://h\n    password: ${P:-hunter2}', ['4 redis.main.password']],
    ['redis: { main: "redis://h?password=hunter2" }', ['1 redis.main']],
    [
      'redis: { main: "redis://h" }\napplications: { a: { health: "http://h", headers: { Authorization: hunter2, Accept: json } } }',
      ['2 applications.a.headers.Authorization'],
    ],
    [
      'alerts: { sinks: [{ name: hook, type: webhook, url: "http://h", secret: hunter2 }] }\nredis: { main: "redis://h" }',
      ['1 alerts.sinks.0.secret'],
    ],
    ['redis:\n  main:\n    url: redis://u:${P}@h\n    password: ${P}', []],
    ['redis: { main: { url: "redis://u@h", password: { file: pw } } }', []],
    [
      'redis: { main: { url: "redis://h", control: { process: { start: "redis-server --requirepass $P" } } } }',
      [],
    ],
  ])('warns of a secret in the file and does not fail: %s', async (text, paths) => {
    site.write('pw', 'x');
    const { code, problems, warnings } = await check(text, { P: 'http' });
    expect({ code, problems }).toEqual({ code: 0, problems: [] });
    expect(warnings.map(({ line, path }) => `${line} ${path}`)).toEqual(paths);
    expect(JSON.stringify(warnings)).not.toContain('hunter2');
  });

  it('takes certificate files relative to the configuration, and wants PEM', async () => {
    site.write('certs/ca.pem', '-----BEGIN CERTIFICATE-----\n');
    site.write('certs/key.pem', 'nothing');
    const { problems } = await check(
      'redis:\n  main:\n    url: rediss://h\n    tls: { ca: certs/ca.pem, key: certs/key.pem }',
    );
    expect(problems.map(brief)).toEqual([
      `4 redis.main.tls.key: ${site.folder}/certs/key.pem is not a PEM file`,
    ]);
  });

  it('checks the environment where there is no file', async () => {
    const wrong = await site.run(['config', 'check'], { REDIS_URL: 'x', DATABASE_URL: 'y' });
    expect(wrong.stdout).toMatch(
      /^problem\t\tREDIS_URL\tis not a URL.*\nproblem\t\tDATABASE_URL\tis not a URL/,
    );
    expect(wrong.code).toBe(2);
    const none = await site.run(['config', 'check']);
    expect(none).toMatchObject({ code: 0, stderr: 'the environment is fine\n' });
    expect(none.stdout).toContain('neither a Redis nor a Postgres is configured');
  });

  it('cannot check what cannot be read', async () => {
    const { code, stdout, stderr } = await site.run([
      'config',
      'check',
      '-c',
      'gone.yaml',
      '--json',
    ]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(JSON.parse(stderr).error.message).toBe(`${site.folder}/gone.yaml: does not exist`);
  });
});

describe('config schema', () => {
  it('is JSON Schema 2020-12 that takes what the tool takes and refuses what it refuses', async () => {
    const { code, stdout, stderr } = await site.run(['config', 'schema']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const schema = JSON.parse(stdout);
    // zod's reader takes a oneOf for the whole of what it stands in.
    expect(schema.properties.redis.additionalProperties.anyOf[2].oneOf).toEqual([
      { required: ['url'] },
      { required: ['sentinel'] },
      { required: ['cluster'] },
    ]);
    delete schema.properties.redis.additionalProperties.anyOf[2].oneOf;
    const reader = z.fromJSONSchema(schema);
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    const takes = (text: string) => reader.safeParse(parse(text)).success;
    expect(
      [
        'redis: { main: "redis://h" }\npostgres: { main: "postgres://h/d" }',
        'redis: { main: { url: { file: url.txt }, db: "${DB}", capacity: 256mb, tls: true } }',
        'redis: { main: { sentinel: { name: m, nodes: ["${HOST}:${PORT}"] } } }',
        'applications: { a: { health: "http://h", tasks: { start: POST /x, body: "{items}", read: "GET /x/{task}" } } }\nworkers: { a: { control: { process: { port: 3001 } } } }',
        'keys: { rules: [{ match: a, ttl: 24h }] }\nalerts: { interval: 60s, rules: [{ rule: memory, warn: 70% }], sinks: [] }',
      ].map(takes),
    ).toEqual([true, true, true, true, true]);
    expect(
      [
        'redis: 5',
        'redsi: {}',
        'redis: { main: { urll: "redis://h" } }',
        'redis: { main: { db: -1 } }',
        'workers: { a: { control: { process: { port: 3001 }, docker: { container: c } } } }',
        'queues: [{ engine: kafka }]',
        'alerts: { rules: [{ rule: memory, wran: 70% }] }',
        'alerts: { sinks: [{ name: a, type: fax }] }',
      ].map(takes),
    ).toEqual([false, false, false, false, false, false, false, false]);
  });
});

it.each([
  ['redis://user:pa%40ss@host', 'redis://user:***@host'],
  ['redis://:p@host', 'redis://:***@host'],
  ['redis://user@host', 'redis://user@host'],
  ['redis://host:6379/0', 'redis://host:6379/0'],
  ['redis://u:a@b@host', 'redis://u:***@host'],
  ['redis://u:12/3@host', 'redis://u:***@host'],
  ['redis://host:6379/0?note=a@b', 'redis://host:6379/0?note=a@b'],
  ['postgres://h/d?user=u&password=p%26q', 'postgres://h/d?user=u&password=***'],
  ['http://host:80/a@b', 'http://host:80/a@b'],
  ['unix://u:p@/run/redis.sock', 'unix://u:***@/run/redis.sock'],
])('shows %s as %s', (url, shown) => {
  expect(redactUrl(url)).toBe(shown);
});
