// A corpus of mixed types under the prefixes that estates have: 1,000,000 keys are about 1 GB, a third of
// them never expire, one in 5,000 is big. The same keys and values at every run, in about ten seconds.
// node bench/memory/seed.mjs PORT [keys] fills an empty Redis.
import { once } from 'node:events';
import { connect } from 'node:net';
import { pathToFileURL } from 'node:url';
import { connect as ask } from '../lib/resp.mjs';

const HOUR = 3_600;
const WORDS =
  'trial cohort dose outcome placebo random blind effect review screen title paper patient adverse event '.repeat(
    80,
  );

/** Each kind's share of a thousand keys, and the commands that make its key number `n`. */
const KINDS = [
  { share: 150, make: bullJob },
  { share: 200, make: importTask },
  { share: 100, make: chat },
  { share: 120, make: extraction },
  { share: 80, make: spreadsheetHealth },
  { share: 150, make: session },
  { share: 30, make: configuration },
  { share: 50, make: tags },
  { share: 40, make: ranking },
  { share: 10, make: events },
  { share: 70, make: record },
];

/** Fills the Redis at a loopback port, which must be empty, with exactly `keys` keys. */
export async function seedCorpus(port, keys = 1_000_000) {
  await demandEmpty(port);
  const writer = await openWriter(port);
  const random = generator(20_240_607);
  const big = Math.ceil(keys / 5_000);
  const made = KINDS.map(() => 0);
  const order = KINDS.flatMap(({ share }, kind) => Array(share).fill(kind));
  for (let index = 0; index < keys - big; index += 1) {
    // 389 has no divisor in common with 1,000: the kinds alternate, as in a server in use.
    const kind = order[(index * 389) % 1_000];
    for (const command of KINDS[kind].make(made[kind]++, random)) writer.add(command);
    if (writer.isFull()) await writer.flush();
  }
  for (let index = 0; index < big; index += 1) {
    for (const command of bigKey(index, big)) {
      writer.add(command);
      if (writer.isFull()) await writer.flush();
    }
  }
  await writer.end();
}

async function demandEmpty(port) {
  const redis = await ask(port);
  const keys = await redis.send('DBSIZE');
  redis.close();
  if (keys > 0) throw new Error(`the Redis at port ${port} holds ${keys} keys already`);
}

function bullJob(n, random) {
  const fields = ['name', 'screen', 'opts', '{"attempts":3,"backoff":{"type":"exponential"}}'];
  fields.push('priority', '0', 'delay', '0', 'timestamp', 1_717_000_000_000 + n);
  fields.push('data', `{"userId":"user-${n % 1_000}","abstract":"${text(random, 150, 500)}"}`);
  if (n % 3) fields.push('processedOn', 1_717_000_100_000 + n, 'atm', '1', 'ats', '1');
  if (n % 9 === 1) fields.push('failedReason', `connect ETIMEDOUT 10.0.4.${n % 250}:443`);
  return [['HSET', `bull:asl:title-screening:${n + 1}`, ...fields]];
}

function importTask(n, random) {
  const key = `langextract:prod:task:import:user-${n % 5_000}:${uuid(random)}`;
  return [['SET', key, json(n, text(random, 200, 500)), 'EX', ttl(random, 24)]];
}

function chat(n, random) {
  const about = ['generate', 'optimize', 'search'][n % 3];
  const key = `langextract:prod:chat:${about}:user-${n % 5_000}:${uuid(random)}`;
  const messages = Array.from({ length: 2 + (n % 9) * 2 }, () => text(random, 40, 160));
  return [
    ['RPUSH', key, ...messages],
    ['EXPIRE', key, ttl(random, 6)],
  ];
}

function extraction(n, random) {
  return [
    ['SET', `asl:llm:${hex(random, 40)}`, json(n, text(random, 300, 1_600)), 'EX', ttl(random, 2)],
  ];
}

function spreadsheetHealth(n, random) {
  return [
    ['SET', `dc:health:${hex(random, 32)}`, json(n, text(random, 100, 700)), 'EX', ttl(random, 24)],
  ];
}

function session(n, random) {
  const key = `session:${uuid(random)}`;
  const set = [
    'HSET',
    key,
    'user',
    `user-${n}`,
    'csrf',
    hex(random, 24),
    'seen',
    1_717_000_000 + n,
  ];
  return n % 2 ? [set] : [set, ['EXPIRE', key, ttl(random, 48)]];
}

function configuration(n) {
  return [['SET', `config:tenant-${n % 100}:feature-${n}`, n % 3 ? n : n % 2 ? 'true' : 'false']];
}

function tags(n, random) {
  const members = Array.from({ length: 3 + (n % 60) }, (_, at) =>
    n % 2 ? at * 7 : `tag-${at * 3}`,
  );
  const key = `tags:{paper-${n}}`;
  return [
    ['SADD', key, ...members],
    ['EXPIRE', key, ttl(random, 48)],
  ];
}

function ranking(n, random) {
  const key = `rank:2024-${1 + (n % 12)}:${n}`;
  // Beyond 128 members it is a skip list.
  const members = Array.from({ length: n % 20 ? 10 : 150 }, (_, at) => [at * 1.5, `paper-${at}`]);
  return [
    ['ZADD', key, ...members.flat()],
    ['EXPIRE', key, ttl(random, 48)],
  ];
}

function events(n, random) {
  const key = `bull:dc:medical-extraction-${n}:events`;
  return [
    ...Array.from({ length: 3 + (n % 5) }, (_, at) => [
      'XADD',
      key,
      `${1_717_000_000_000 + at}-0`,
      ...['event', 'progress', 'jobId', n, 'data', text(random, 20, 60)],
    ]),
    ['EXPIRE', key, ttl(random, 48)],
  ];
}

function record(n, random) {
  return [['SET', `dc:extraction:rec${n}`, json(n, text(random, 80, 300))]];
}

/** Strings of 1 MB, and collections of 2,000 to 200,000 elements. */
function* bigKey(index, of) {
  const size = Math.round(2_000 * 100 ** (index / of));
  const [kind, key] = [index % 8, `export:big:${index}`];
  if (kind < 4) {
    yield ['SET', `${key}:pdf`, WORDS.repeat(128).slice(0, 1_000_000 + index)];
    return;
  }
  for (let from = 0; from < size; from += 500) {
    const numbers = Array.from({ length: Math.min(500, size - from) }, (_, at) => from + at);
    if (kind < 6)
      yield ['HSET', `${key}:rows`, ...numbers.flatMap((n) => [`row:${n}`, `value ${n * 31}`])];
    else if (kind === 6) yield ['ZADD', `${key}:scores`, ...numbers.flatMap((n) => [n, `m:${n}`])];
    else yield ['RPUSH', `${key}:log`, ...numbers.map((n) => `line ${n} ${WORDS.slice(0, 60)}`)];
  }
}

/** mulberry32: small, quick, and the same on every machine. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const between = (random, low, high) => low + Math.floor(random() * (high - low));
const ttl = (random, hours) => between(random, HOUR, hours * HOUR);
const json = (n, value) => `{"id":${n},"status":"completed","text":"${value}"}`;

function text(random, low, high) {
  const start = between(random, 0, 2_000);
  return WORDS.slice(start, start + between(random, low, high));
}

function hex(random, length) {
  let digits = '';
  while (digits.length < length)
    digits += Math.floor(random() * 0x100000000)
      .toString(16)
      .padStart(8, '0');
  return digits.slice(0, length);
}

function uuid(random) {
  const digits = hex(random, 32);
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`;
}

const CHUNK = 256 * 1024;

/** Writes without waiting for replies, which are only looked through for errors. All text is ASCII. */
async function openWriter(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  let failure;
  let last = '\n';
  let ended = () => {};
  const end = new Promise((resolve) => (ended = resolve));
  socket.on('data', (chunk) => {
    const replies = last + chunk.toString('latin1');
    failure ??= /\n(-[^\r]*)/.exec(replies)?.[1];
    if (replies.endsWith('+PONG\r\n')) ended();
    last = replies.slice(-16);
  });
  socket.once('close', () => {
    failure ??= 'the connection was closed';
    ended();
  });
  let pending = '';
  const writer = {
    add(args) {
      let command = `*${args.length}\r\n`;
      for (const arg of args) {
        const value = String(arg);
        command += `$${value.length}\r\n${value}\r\n`;
      }
      pending += command;
    },
    isFull: () => pending.length > CHUNK,
    async flush() {
      const enough = socket.write(pending, 'latin1');
      pending = '';
      if (failure) throw new Error(failure);
      if (!enough) await Promise.race([once(socket, 'drain'), end]);
    },
    async end() {
      writer.add(['PING']);
      await writer.flush();
      await end;
      socket.destroy();
      if (failure) throw new Error(failure);
    },
  };
  return writer;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [port, keys = 1_000_000] = process.argv.slice(2).map(Number);
  const start = performance.now();
  await seedCorpus(port, keys);
  process.stdout.write(`${keys} keys in ${((performance.now() - start) / 1_000).toFixed(1)} s\n`);
}
