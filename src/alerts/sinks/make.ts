import type { SinkConfig } from '../../config/sinks.js';
import type { Output } from '../../io.js';
import type { Outgoing } from './attempt.js';
import { redactor } from './redact.js';
import type { Sink } from './sink.js';
import { stdoutSink } from './stdout.js';
import { webhookSink } from './webhook.js';

export interface Surroundings {
  /** Where the sink of type stdout writes. */
  stdout: Pick<Output, 'write'>;
}

export function makeOutgoing(config: SinkConfig, surroundings: Surroundings): Outgoing {
  return { config, sink: makeSink(config, surroundings), redact: redactor(config) };
}

function makeSink(config: SinkConfig, { stdout }: Surroundings): Sink {
  switch (config.type) {
    case 'stdout':
      return stdoutSink(config, stdout);
    case 'webhook':
      return webhookSink(config);
    default:
      throw new Error(`no such sink: ${config.type}`);
  }
}
