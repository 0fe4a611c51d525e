import { describe, expect, it } from 'vitest';
import {
  encode,
  ProtocolError,
  type Reply,
  ReplyError,
  ReplyParser,
} from '../../src/redis/resp.js';

function parse(...chunks: (string | Buffer)[]): Reply[] {
  const parser = new ReplyParser();
  const replies: Reply[] = [];
  for (const chunk of chunks) parser.feed(Buffer.from(chunk), (reply) => replies.push(reply));
  return replies;
}

const STREAM = [
  '+OK\r\n',
  '-WRONGPASS invalid\r\n',
  ':-12\r\n',
  '$-1\r\n',
  '$0\r\n\r\n',
  '$6\r\nr\r\nné\r\n',
  '*0\r\n',
  '*-1\r\n',
  '*3\r\n*2\r\n:1\r\n*1\r\n$1\r\na\r\n*0\r\n$-1\r\n',
  '*1\r\n*1\r\n*1\r\n+deep\r\n',
  '+\r\n',
].join('');
const REPLIES: Reply[] = [
  'OK',
  new ReplyError('WRONGPASS invalid'),
  -12,
  null,
  '',
  'r\r\nné',
  [],
  null,
  [[1, ['a']], [], null],
  [[['deep']]],
  '',
];

describe('reading replies', () => {
  it('reads every kind of reply, also several in one chunk', () => {
    expect(parse(STREAM)).toEqual(REPLIES);
  });

  it('does not care where a chunk ends', () => {
    const bytes = Buffer.from(STREAM);
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(parse(bytes.subarray(0, at), bytes.subarray(at)), `cut at ${at}`).toEqual(REPLIES);
    }
    expect(parse(...Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual(REPLIES);
  });

  it('hands a reply out as soon as it is whole, and no sooner', () => {
    const parser = new ReplyParser();
    const replies: Reply[] = [];
    const feed = (text: string) => {
      parser.feed(Buffer.from(text), (reply) => replies.push(reply));
      return replies.length;
    };
    expect(feed('*2\r\n+a\r\n$3\r\nfo')).toBe(0);
    expect(feed('o\r')).toBe(0);
    expect(feed('\n+b')).toBe(1);
    expect(feed('\r\n')).toBe(2);
    expect(replies).toEqual([['a', 'foo'], 'b']);
  });

  it('puts a big string together from many chunks', () => {
    const big = 'é0123456789'.repeat(500_000);
    const bytes = Buffer.from(`*2\r\n$${Buffer.byteLength(big)}\r\n${big}\r\n:7\r\n`);
    const chunks = Array.from({ length: Math.ceil(bytes.length / 1_000) }, (_, index) =>
      bytes.subarray(index * 1_000, (index + 1) * 1_000),
    );
    const began = performance.now();
    const [reply] = parse(...chunks) as [[string, number]];
    expect(reply[0] === big).toBe(true);
    expect(reply[1]).toBe(7);
    // Reading it again at each of the 6,000 chunks would take many seconds.
    expect(performance.now() - began).toBeLessThan(1_500);
  });

  it('reads an array of many items in one pass over many chunks', () => {
    const bytes = Buffer.from(`*200000\r\n${'$3\r\nabc\r\n'.repeat(200_000)}`);
    const chunks = Array.from({ length: Math.ceil(bytes.length / 1_000) }, (_, index) =>
      bytes.subarray(index * 1_000, (index + 1) * 1_000),
    );
    const began = performance.now();
    const [reply] = parse(...chunks) as [string[]];
    expect(reply).toHaveLength(200_000);
    expect(performance.now() - began).toBeLessThan(1_500);
  });

  it.each([
    ['an HTTP answer', 'HTTP/1.1 400 Bad Request\r\n\r\n', '"HTTP/1.1 400 Bad Req"'],
    ['a mail server', '220 mail.example ESMTP\r\n', '"220 mail.example'],
    ['a TLS alert', Buffer.from([0x15, 3, 1, 0, 2, 2, 70]), '\\u0015'],
    ['a length that is none', '$abc\r\n', 'abc'],
    ['an empty length', '*\r\n', 'not a Redis reply'],
    ['half a number', ':1.5\r\n', '1.5'],
    ['garbage inside an array', '*2\r\n+a\r\nxyz', 'xyz'],
    ['a line that never ends', `+${'a'.repeat(70_000)}`, 'not a Redis reply'],
  ])('takes %s for no Redis', (_, bytes, said) => {
    expect(() => parse(bytes)).toThrow(ProtocolError);
    expect(() => parse(bytes)).toThrow(said);
  });

  it('quotes no more than the first line: the next may be a password that is sent back', () => {
    expect(() => parse('echo\r\nsecret\r\n')).toThrow(/^not a Redis reply: "echo"$/);
  });
});

describe('writing commands', () => {
  it('counts bytes, not characters', () => {
    expect(encode(['SET', 'clé', 12])).toBe('*3\r\n$3\r\nSET\r\n$4\r\nclé\r\n$2\r\n12\r\n');
  });
});

describe('an error reply', () => {
  it.each([
    ['NOAUTH Authentication required.', 'NOAUTH'],
    ['ERR max number of clients reached', 'ERR'],
    ['max number of clients', 'ERR'],
  ])('"%s" has the code %s', (message, code) => {
    expect(new ReplyError(message).code).toBe(code);
  });
});
