import { connect } from 'node:net';
import type { SinkConfig } from '../../config/sinks.js';
import { messageOf } from '../../errors.js';
import { redactor } from './redact.js';
import { textfileSink } from './textfile.js';

/**
 * The sinks that nothing could be delivered to at this moment, each in a sentence without secrets: for a word at
 * the start of a watch. Sends nothing: a TCP connection that is closed again, and for a file one beside it.
 */
export async function unreachableSinks(
  configs: readonly SinkConfig[],
  timeout = 3_000,
): Promise<string[]> {
  const sentences = await Promise.all(
    configs.map(async (config) => {
      try {
        await reach(config, timeout);
        return [];
      } catch (error) {
        return [`sink ${config.name} cannot be reached: ${redactor(config)(messageOf(error))}`];
      }
    }),
  );
  return sentences.flat();
}

async function reach(config: SinkConfig, timeout: number): Promise<void> {
  if (config.type === 'stdout') return;
  if (config.type === 'textfile') await textfileSink(config).test?.();
  else if (config.type === 'email') await connects(config.host, config.port, timeout);
  else {
    const { protocol, hostname, port } = new URL(config.url);
    const usual = protocol === 'https:' ? 443 : 80;
    // An IPv6 address has brackets in a URL only.
    await connects(hostname.replace(/^\[|\]$/g, ''), Number(port) || usual, timeout);
  }
}

function connects(host: string, port: number, timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    // Not the socket's own time-out: a name that does not resolve has no socket yet.
    const timer = setTimeout(
      () => socket.destroy(new Error(`no answer from ${host}:${port} within ${timeout} ms`)),
      timeout,
    );
    socket.once('connect', () => socket.destroy());
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
