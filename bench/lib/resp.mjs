// A Redis client of a few lines: nothing of the measured programs takes part in measuring them.
import { connect as open } from 'node:net';

/** One connection; `send` resolves to the reply (RESP2, bulk strings as text), errors reject. */
export async function connect(port) {
  const socket = open({ port, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  const waiting = [];
  let buffer = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    buffer = buffer.length > 0 ? Buffer.concat([buffer, chunk]) : chunk;
    let at = 0;
    for (;;) {
      const value = parse(buffer, at);
      if (!value) break;
      at = value.end;
      const { resolve, reject } = waiting.shift();
      if (value.reply instanceof Error) reject(value.reply);
      else resolve(value.reply);
    }
    buffer = buffer.subarray(at);
  });
  const send = (...args) => {
    socket.write(encode(args));
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  };
  return { send, close: () => socket.destroy() };
}

function encode(args) {
  return `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`).join('')}`;
}

/** The reply that begins at `at`, and where it ends; undefined while it is not all there. */
function parse(buffer, at) {
  const line = buffer.indexOf('\r\n', at);
  if (line < 0) return undefined;
  const text = buffer.toString('utf8', at + 1, line);
  const end = line + 2;
  switch (String.fromCharCode(buffer[at])) {
    case '+':
      return { reply: text, end };
    case '-':
      return { reply: new Error(text), end };
    case ':':
      return { reply: Number(text), end };
    case '$': {
      const length = Number(text);
      if (length < 0) return { reply: null, end };
      if (buffer.length < end + length + 2) return undefined;
      return { reply: buffer.toString('utf8', end, end + length), end: end + length + 2 };
    }
    default: {
      const reply = [];
      let next = end;
      for (let left = Number(text); left > 0; left -= 1) {
        const item = parse(buffer, next);
        if (!item) return undefined;
        reply.push(item.reply);
        next = item.end;
      }
      return { reply, end: next };
    }
  }
}
