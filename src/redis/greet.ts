import type { Channel } from './channel.js';
import { demand, ProtocolError, ReplyError } from './resp.js';
import type { Access } from './target.js';

/** Sends PING; throws unless the answer is PONG. A port that sends back what it gets is no Redis. */
export async function pingOnce(channel: Channel, withoutRight = false): Promise<void> {
  const answer = await channel.send('PING');
  if (withoutRight && answer instanceof ReplyError && answer.code === 'NOPERM') return;
  const reply = demand(answer);
  if (reply !== 'PONG') throw new ProtocolError('the answer to PING is not PONG');
}

/** Sends AUTH; throws the refusal, without the password in it. */
export async function authenticate(
  channel: Channel,
  { username, password = '' }: Access,
): Promise<void> {
  const reply = await channel.send('AUTH', ...(username ? [username] : []), password);
  // A server without AUTH (renamed, a Sentinel before Redis 5.0.1) repeats its arguments in the error:
  // https://github.com/redis/redis/blob/7.0/src/server.c (rejectCommandFormat in processCommand).
  if (reply instanceof ReplyError && /^ERR unknown command/i.test(reply.message))
    throw new ReplyError("ERR unknown command 'AUTH'");
  if (reply instanceof ReplyError && password !== '' && reply.message.includes(password))
    throw new ReplyError(reply.message.replaceAll(password, '***'));
  demand(reply);
}
