import { describe, expect, it } from 'vitest';
import { parseClusterNodes } from '../../src/redis/topology.js';

const nodes = (...lines: string[]) => [...parseClusterNodes(lines.join('\n'), 'seed').entries()];

describe('CLUSTER NODES', () => {
  it('names masters and replicas of Redis 7, with host names and a trailing newline', () => {
    expect(
      nodes(
        'aa 10.0.0.1:7000@17000,redis-a myself,master - 0 0 1 connected 0-8191',
        'bb 10.0.0.2:7001@17001 slave aa 0 1 1 connected',
        '',
      ),
    ).toEqual([
      ['aa', { host: '10.0.0.1', port: 7000, role: 'master' }],
      ['bb', { host: '10.0.0.2', port: 7001, role: 'replica' }],
    ]);
  });

  it('keeps a node that has failed: its row says what is wrong', () => {
    expect(nodes('aa 10.0.0.1:7000@17000 master,fail - 1 0 1 disconnected 0-100')).toEqual([
      ['aa', { host: '10.0.0.1', port: 7000, role: 'master' }],
    ]);
  });

  it('leaves out what cannot be asked', () => {
    expect(
      nodes(
        'aa :0@0 slave,fail,noaddr bb 1 0 1 disconnected',
        'bb 10.0.0.2:7001@17001 handshake - 0 0 0 connected',
      ),
    ).toEqual([]);
  });

  it('takes the host that was asked for a node that does not know its own', () => {
    expect(nodes('aa :7000@17000 myself,master - 0 0 1 connected')).toEqual([
      ['aa', { host: 'seed', port: 7000, role: 'master' }],
    ]);
  });

  it('reads IPv6 addresses and the lines of Redis 3', () => {
    expect(
      nodes(
        'aa 2001:db8::1:7000@17000 master - 0 0 1 connected',
        'bb 10.0.0.2:7001 master - 0 0 1 connected',
      ),
    ).toEqual([
      ['aa', { host: '2001:db8::1', port: 7000, role: 'master' }],
      ['bb', { host: '10.0.0.2', port: 7001, role: 'master' }],
    ]);
  });
});
