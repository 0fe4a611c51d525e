import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binary } from '../servers/binaries.js';
import { command } from '../servers/command.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { type Home, makeHome } from './shells.js';

const zsh = binary('zsh');
const fish = binary('fish');
let redis: RedisServer;
let home: Home;

const ODD = `it's \\ $x`;
const queue = (name: string) =>
  command(redis.port, `HSET ${JSON.stringify(`${name}:meta`)} opts.maxLenEvents 10000`);

beforeAll(async () => {
  redis = await startRedis();
  for (const name of ['mail:out', 'odd name', 'a b:one', '{billing}', ODD])
    await queue(`bull:${name}`);
  await queue('{eu}:jobs');
  home = await makeHome(`redis:
  main: { url: ${redis.url}, roles: [cache, queue] }
  odd-name: ${redis.url}
queues:
  - { engine: bullmq, redis: main }
  - { engine: bullmq, redis: main, prefix: "{eu}" }
`);
});
afterAll(async () => {
  home?.remove();
  await redis?.stop();
});

describe('bash, by its completion function', () => {
  const reply = async (line: string, words: string[]) => {
    const text = await home.run(
      'bash',
      '-c',
      `source "$1"; COMP_LINE=$2; COMP_POINT=\${#2}; shift 2; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
       _cache_ops; printf '%s\\n' "\${COMPREPLY[@]}"`,
      'bash',
      home.script('bash'),
      line,
      ...words,
    );
    return text.split('\n').filter(Boolean);
  };

  it('completes commands, subcommands, flags and targets', async () => {
    expect(await reply('cache-ops pi', ['cache-ops', 'pi'])).toEqual(['ping']);
    expect(await reply('cache-ops drill redis-f', ['cache-ops', 'drill', 'redis-f'])).toEqual([
      'redis-full',
      'redis-failover',
    ]);
    expect(await reply('cache-ops ping --co', ['cache-ops', 'ping', '--co'])).toEqual([
      '--count',
      '--config',
    ]);
    expect(await reply('cache-ops ping ', ['cache-ops', 'ping', ''])).toEqual(['main', 'odd-name']);
  });

  it('gives only the part of a name behind the colon, where bash cuts words', async () => {
    const words = ['cache-ops', 'queue', 'jobs', '--queue', 'mail', ':', 'o'];
    expect(await reply('cache-ops queue jobs --queue mail:o', words)).toEqual(['out']);
    const assigned = ['cache-ops', 'queue', 'jobs', '--queue', '=', 'mail', ':'];
    expect(await reply('cache-ops queue jobs --queue=mail:', assigned)).toEqual(['out']);
  });

  it('looks no further than the cursor', async () => {
    const text = await home.run(
      'bash',
      '-c',
      `source "$1"; COMP_LINE='cache-ops pixy'; COMP_POINT=12; COMP_WORDS=(cache-ops pixy); COMP_CWORD=1
       _cache_ops; echo "\${COMPREPLY[@]}"`,
      'bash',
      home.script('bash'),
    );
    expect(text).toBe('ping\n');
  });
});

/** What is typed before TAB, and the words that the shell then hands over. */
const TYPED: Record<string, string[]> = {
  'cache-ops pi': ['cache-ops', 'ping'],
  'cache-ops ping odd': ['cache-ops', 'ping', 'odd-name'],
  'cache-ops drill redis-down --dead': ['cache-ops', 'drill', 'redis-down', '--deadline'],
  'cache-ops queue jobs --queue mail:o': ['cache-ops', 'queue', 'jobs', '--queue', 'mail:out'],
  'cache-ops queue jobs --queue=mail:o': ['cache-ops', 'queue', 'jobs', '--queue=mail:out'],
  'cache-ops queue jobs --queue odd': ['cache-ops', 'queue', 'jobs', '--queue', 'odd name'],
  "cache-ops queue jobs --queue 'odd n": ['cache-ops', 'queue', 'jobs', '--queue', 'odd name'],
  'cache-ops queue jobs --queue "mail:o': ['cache-ops', 'queue', 'jobs', '--queue', 'mail:out'],
  'cache-ops queue jobs --queue \\{b': ['cache-ops', 'queue', 'jobs', '--queue', '{billing}'],
  'cache-ops queue jobs --queue it': ['cache-ops', 'queue', 'jobs', '--queue', ODD],
  'cache-ops queue jobs --queue a\\ b:o': ['cache-ops', 'queue', 'jobs', '--queue', 'a b:one'],
  'cache-ops queue jobs --queue j': ['cache-ops', 'queue', 'jobs', '--queue', 'jobs'],
  'cache-ops --config cache-o': ['cache-ops', '--config', 'cache-ops.yaml'],
  'cache-ops --config=cache-o': ['cache-ops', '--config=cache-ops.yaml'],
};

it.skipIf(!zsh).each(['bash', 'zsh'] as const)('%s, in a terminal', async (shell) => {
  const lines = Object.keys(TYPED);
  const words = await home.type(shell, lines);
  expect(Object.fromEntries(lines.map((line, at) => [line, words[at]]))).toEqual(TYPED);
});

it.skipIf(!fish)('fish, by what it would offer', async () => {
  const offered = {
    'cache-ops ping ': ['main', 'odd-name'],
    'cache-ops queue jobs --queue mail:o': ['mail:out'],
    'cache-ops queue jobs --queue=mail:o': ['--queue=mail:out'],
    'cache-ops queue jobs --queue odd': ['odd name'],
    "cache-ops queue jobs --queue 'odd n": ['odd name'],
    'cache-ops queue jobs --queue \\{b': ['{billing}'],
    'cache-ops queue jobs --queue it': [ODD],
    'cache-ops --config cache-o': ['cache-ops.yaml'],
    'cache-ops --config=cache-o': ['--config=cache-ops.yaml'],
    'cache-ops drill redis-down --dead': ['--deadline'],
    'cache-ops nothing ': [],
  };
  const lines = Object.keys(offered);
  const found = await home.offered(lines);
  expect(Object.fromEntries(lines.map((line, at) => [line, found[at]]))).toEqual(offered);
});
