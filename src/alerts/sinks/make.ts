import type { SinkConfig } from '../../config/sinks.js';
import type { Output } from '../../io.js';
import { alertmanagerSink } from './alertmanager.js';
import type { Outgoing } from './attempt.js';
import { dingtalkSink } from './dingtalk.js';
import { emailSink } from './email.js';
import { redactor } from './redact.js';
import type { Sink } from './sink.js';
import { slackSink } from './slack.js';
import { stdoutSink } from './stdout.js';
import { textfileSink } from './textfile.js';
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
    case 'slack':
      return slackSink(config);
    case 'dingtalk':
      return dingtalkSink(config);
    case 'email':
      return emailSink(config);
    case 'alertmanager':
      return alertmanagerSink(config);
    case 'textfile':
      return textfileSink(config);
  }
}
