import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlConfig } from '../../config/control.js';
import { messageOf } from '../../errors.js';
import { label, parseHostPort } from '../../redis/target.js';
import type { Way, WayOf } from '../faults/fault.js';
import { signsIn } from '../faults/liveness.js';
import { askProxy, byProxy } from '../proxy/control.js';
import type { Driver, Subject } from './driver.js';
import { refused } from './rehearse.js';

/** A proxy that the applications go through for good: see `drill proxy`. */
export function proxyDriver(control: NonNullable<ControlConfig['proxy']>): Driver {
  const by = (toxic: (subject: Subject) => WayOf<'toxic'>['toxic']) => async (subject: Subject) =>
    plan(subject, control, toxic(subject));
  return {
    name: 'proxy',
    latency: by(({ params: { delay = 0, jitter = 0 } }) => ({ delay, jitter })),
    reset: by(() => ({ reset: true })),
    blackhole: by(() => ({ blackhole: true })),
  };
}

async function plan(
  { access, cwd }: Subject,
  control: NonNullable<ControlConfig['proxy']>,
  toxic: WayOf<'toxic'>['toxic'],
): Promise<Way> {
  const socket = resolve(cwd, control.socket);
  const listen = parseHostPort(control.listen);
  const ask = () =>
    askProxy(socket, { type: 'status' }).catch((error) => {
      throw refused(
        `the proxy of ${control.listen} does not run: ${messageOf(error)}`,
        'applications that go through it do not reach Redis; start it: cache-ops drill proxy',
      );
    });
  const { upstream, broken } = await ask();
  if (upstream !== label(access.endpoint))
    throw refused(
      `the proxy of ${control.listen} goes to ${upstream}, not to ${label(access.endpoint)}`,
      'start it again with this configuration: cache-ops drill proxy',
    );
  if (broken) throw refused('another drill holds the proxy', 'see cache-ops drill status');
  // A second, for applications that connect for each request.
  let looks = 50;
  while ((await ask()).connections === 0 && looks > 0) {
    looks -= 1;
    await sleep(20);
  }
  if (looks === 0)
    throw refused(
      `no connection goes through the proxy of ${control.listen}: the drill could prove nothing`,
      `let the applications connect to ${control.listen} in place of ${upstream}`,
    );
  if (!(await signsIn(byProxy(access, listen), 5_000)))
    throw refused(`Redis does not answer through ${control.listen}`, 'see cache-ops ping');
  return { kind: 'toxic', socket, listen, toxic };
}
