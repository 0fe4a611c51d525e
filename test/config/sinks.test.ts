import { afterEach, beforeEach, expect, it } from 'vitest';
import { inspectConfig } from '../../src/config/inspect.js';
import { demandValid } from '../../src/config/load.js';
import { readSinks } from '../../src/config/sinks.js';
import { makeSite, type Site } from './site.js';

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

/** What an alert command sees of a file with these sinks. */
async function sinksIn(text: string, env: Record<string, string> = {}) {
  site.write('cache-ops.yaml', `redis: { main: redis://h }\nalerts:\n  sinks:\n${text}`);
  const inspection = await inspectConfig({ env, cwd: site.folder });
  const { sinks, problems } = readSinks(demandValid(inspection));
  return {
    usable: sinks.map(({ name }) => name),
    sinks,
    problems: problems.map(({ path, message }) => `${path.join('.')}: ${message}`),
  };
}

const TWO = `    - { name: chat, type: slack, url: "\${SLACK_URL}" }
    - { name: hook, type: webhook, url: https://ops.example.org/x, secret: { file: key.txt } }
`;

it('a sink without its secret is told, and the others can be used', async () => {
  expect(await sinksIn(TWO)).toMatchObject({
    usable: [],
    problems: [
      'alerts.sinks.0.url: sink chat: the environment variable SLACK_URL is not set',
      'alerts.sinks.1.secret: sink hook: cannot read key.txt (ENOENT)',
    ],
  });
  site.write('key.txt', 'the key\n');
  expect(await sinksIn(TWO)).toMatchObject({
    usable: ['hook'],
    sinks: [{ secret: 'the key' }],
    problems: ['alerts.sinks.0.url: sink chat: the environment variable SLACK_URL is not set'],
  });
  expect(await sinksIn(TWO, { SLACK_URL: 'https://hooks.slack.com/x' })).toMatchObject({
    usable: ['chat', 'hook'],
    problems: [],
  });
});

it.each([
  ['{ name: a, type: pager }', 'type: sink a: expected one of stdout, webhook'],
  ['{ type: stdout }', 'name: is missing; expected text'],
  ['{ name: a, type: dingtalk, url: "https://h/x" }', 'secret: sink a: is missing; expected text'],
  [
    '{ name: a, type: webhook, url: "https://h/x", secret: "" }',
    'secret: sink a: must not be empty',
  ],
  ['{ name: a, type: slack, url: "ftp://h" }', 'url: sink a: does not start with http:'],
  [
    '{ name: a, type: slack, url: "https://u:pw@h" }',
    'url: sink a: must not hold a user and password',
  ],
  ['{ name: a, type: stdout, colour: red }', 'colour: sink a: unknown key "colour"'],
  ['{ name: a, type: stdout, timeout: 5h }', 'timeout: sink a: '],
  ['{ name: a, type: textfile, path: x.prom }', 'path: sink a: expected an absolute path'],
  [
    '{ name: a, type: alertmanager, url: "http://h", labels: { n: 5 } }',
    'labels.n: sink a: expected text, found a number (put it in quotes)',
  ],
  [
    '{ name: a, type: email, host: h, from: a@b, to: [a@b], username: u }',
    'password: sink a: is missing',
  ],
  [
    '{ name: a, type: email, host: h, from: a@b, to: [a@b], username: u, password: p, security: none }',
    'security: sink a: would be sent in clear',
  ],
  [
    '{ name: a, type: webhook, url: "https://h", secret: s, headers: { x: "a\\nhush" } }',
    'headers.x: sink a: is no valid HTTP header',
  ],
])('%s is a problem of that sink alone', async (entry, expected) => {
  const { usable, problems } = await sinksIn(`    - ${entry}\n    - { name: out, type: stdout }\n`);
  expect(usable).toEqual(['out']);
  expect(problems).toEqual([expect.stringContaining(`alerts.sinks.0.${expected}`)]);
  expect(problems.join()).not.toMatch(/hush|pw/);
});

it('two sinks of one name: the first counts', async () => {
  const out = '    - { name: out, type: stdout }\n';
  expect(await sinksIn(out + out)).toMatchObject({
    usable: ['out'],
    problems: ['alerts.sinks.1.name: sink out: "out" is there twice'],
  });
});

it('an Alertmanager forgets an alert after three intervals of the configuration', async () => {
  const { sinks } = await sinksIn(
    '    - { name: am, type: alertmanager, url: "http://h" }\n  interval: 5m\n',
  );
  expect(sinks).toMatchObject([{ resend: 300_000 }]);
});

it('config check tells them with their lines, and warns of secrets that stand in the file', async () => {
  await sinksIn(`${TWO}    - { name: own, type: webhook, url: https://ops.example.org, secret: hush }
    - { name: am, type: alertmanager, url: "http://alertmanager:9093" }
`);
  const { code, stdout } = await site.run(['config', 'check', '--json']);
  expect(code).toBe(2);
  expect(stdout).not.toContain('hush');
  const { problems, warnings } = JSON.parse(stdout);
  expect(problems).toMatchObject([
    {
      path: 'alerts.sinks.0.url',
      line: 4,
      message: 'sink chat: the environment variable SLACK_URL is not set',
      hint: 'set SLACK_URL, or write a default: ${SLACK_URL:-value}',
    },
    { path: 'alerts.sinks.1.secret', line: 5, message: 'sink hook: cannot read key.txt (ENOENT)' },
  ]);
  expect(warnings.map(({ path }: { path: string }) => path)).toEqual([
    'alerts.sinks.1.url',
    'alerts.sinks.2.secret',
  ]);
});

it('config show hides their secrets', async () => {
  await sinksIn(TWO, {});
  site.write('key.txt', 'hush\n');
  const { stdout } = await site.run(['config', 'show'], {
    SLACK_URL: 'https://hooks.slack.com/hush',
  });
  expect(stdout).not.toContain('hush');
  expect(stdout).toContain('https://hooks.slack.com/***');
});

it('the published schema says what a sink may hold', async () => {
  const { stdout } = await site.run(['config', 'schema']);
  const { sinks } = JSON.parse(stdout).properties.alerts.properties;
  const types = sinks.items.oneOf.map(
    ({ properties }: { properties: { type: { const: string } } }) => properties.type.const,
  );
  expect(types).toEqual([
    'stdout',
    'webhook',
    'slack',
    'dingtalk',
    'email',
    'alertmanager',
    'textfile',
  ]);
});
