// A process that adds messages to an outbox until somebody kills it: each id goes to stdout once it is durable.
import { clockOf } from '../../src/alerts/clock.js';
import { openOutbox } from '../../src/alerts/outbox.js';
import { readSinks } from '../../src/config/sinks.js';
import { openState } from '../../src/state/folder.js';
import { message } from './message.js';

const [folder = '', sinks = '[]', prefix = ''] = process.argv.slice(2);
const outbox = await openOutbox(
  openState({ XDG_STATE_HOME: folder }),
  readSinks({ alerts: { interval: 60_000, sinks: JSON.parse(sinks) } }).sinks,
  {
    clock: clockOf(Date.now),
    pid: process.pid,
    signal: new AbortController().signal,
    notice: () => {},
    stdout: process.stdout,
  },
);
for (let count = 1; ; count += 1) {
  await outbox.add(message(`${prefix}${count}`));
  process.stdout.write(`${prefix}${count}\n`);
}
