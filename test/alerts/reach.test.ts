import { expect, it } from 'vitest';
import { unreachableSinks } from '../../src/alerts/sinks/reach.js';
import { sinksOf } from './posting.js';
import { startReceiver } from './receiver.js';

it('tells at the start which sinks cannot be reached, without sending anything', async () => {
  const [there, gone] = [await startReceiver(), await startReceiver()];
  await gone.close();
  const sinks = sinksOf(
    { name: 'out', type: 'stdout' },
    { name: 'there', type: 'slack', url: `${there.url}/private` },
    { name: 'gone', type: 'slack', url: `${gone.url}/private` },
    { name: 'file', type: 'textfile', path: '/nowhere/at-all.prom' },
    { name: 'mail', type: 'email', host: '127.0.0.1', port: gone.port, from: 'a@b', to: ['a@b'] },
    { name: 'nameless', type: 'alertmanager', url: 'http://nowhere.invalid:9093' },
  );
  const sentences = await unreachableSinks(sinks);
  expect(sentences).toEqual([
    `sink gone cannot be reached: connect ECONNREFUSED 127.0.0.1:${gone.port}`,
    'sink file cannot be reached: cannot write /nowhere/at-all.prom: ENOENT',
    `sink mail cannot be reached: connect ECONNREFUSED 127.0.0.1:${gone.port}`,
    expect.stringMatching(/^sink nameless cannot be reached: getaddrinfo \w+ nowhere.invalid$/),
  ]);
  expect(there.requests).toEqual([]);
});
