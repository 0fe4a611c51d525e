import type { StdoutConfig } from '../../config/sinks.js';
import type { Output } from '../../io.js';
import type { Sink } from './sink.js';

/** One JSON line a message: `{"type":"notification",...}`. */
export function stdoutSink({ name }: StdoutConfig, stdout: Pick<Output, 'write'>): Sink {
  return {
    name,
    async send({ notifications, lost }) {
      for (const notification of notifications) {
        const line = { type: 'notification', ...notification, ...(lost > 0 && { lost }) };
        stdout.write(`${JSON.stringify(line)}\n`);
      }
      return 'written';
    },
  };
}
