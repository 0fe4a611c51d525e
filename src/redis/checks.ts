import type { Advice } from './advice/advice.js';
import { explain } from './advice/explain.js';
import {
  clusterDown,
  isSentinel,
  linkDown,
  noMaster,
  noQuorum,
  notReplica,
  notSentinel,
  readOnly,
  syncing,
  wrongRole,
} from './advice/state.js';
import type { Channel } from './channel.js';
import { parseInfo } from './info.js';
import { type Reply, ReplyError } from './resp.js';
import { type Access, label } from './target.js';
import { askRole, type Role } from './topology.js';

/** What a server that answers says of itself. */
export interface Finding {
  role: Role | 'sentinel' | undefined;
  problem: Advice | undefined;
}

/** The role that a node should have, by the configuration or by the sentinels or the cluster. */
type Due = { expected: Role } | { announced: Role };

/** Is this node what it should be, and is it in a state to serve? */
export async function checkNode(channel: Channel, access: Access, due: Due): Promise<Finding> {
  const where = label(access.endpoint);
  const role = await askRole(channel);
  const [info, cluster] = (await channel.pipeline([
    ['INFO', 'replication'],
    ['CLUSTER', 'INFO'],
  ])) as [Reply, Reply];
  // Neither is certain: an ACL may refuse both, and CLUSTER is an error where clustering is off.
  const replication = typeof info === 'string' ? parseInfo(info) : {};
  const state = typeof cluster === 'string' ? parseInfo(cluster) : {};
  const problem = () => {
    if (role === 'sentinel') return isSentinel(where);
    if (state.cluster_state === 'fail')
      return clusterDown(
        `the cluster is down: ${state.cluster_slots_ok ?? '?'} of 16384 slots are served`,
      );
    const misplaced = role && inWrongPlace(where, role, due);
    if (misplaced) return misplaced;
    if (role !== 'replica' || replication.master_link_status !== 'down') return undefined;
    return replication.master_sync_in_progress === '1' ? syncing(where) : linkDown(where);
  };
  return { role, problem: problem() };
}

function inWrongPlace(where: string, role: Role, due: Due): Advice | undefined {
  if ('announced' in due)
    return role === due.announced ? undefined : wrongRole(where, role, due.announced);
  if (role === due.expected) return undefined;
  return role === 'replica' ? readOnly(where) : notReplica(where);
}

/** Does this sentinel watch the master, and could it fail over? */
export async function checkSentinel(
  channel: Channel,
  access: Access,
  name: string,
): Promise<Finding> {
  const [master, quorum] = (await channel.pipeline([
    ['SENTINEL', 'get-master-addr-by-name', name],
    ['SENTINEL', 'ckquorum', name],
  ])) as [Reply, Reply];
  if (master instanceof ReplyError) {
    return /unknown command/i.test(master.message)
      ? { role: await askRole(channel), problem: notSentinel(label(access.endpoint)) }
      : { role: 'sentinel', problem: explain(master, access) };
  }
  const problem = () => {
    if (master === null) return noMaster(`knows no master of the name "${name}"`);
    if (quorum instanceof ReplyError && quorum.code === 'NOQUORUM') return noQuorum(quorum.message);
    return undefined;
  };
  return { role: 'sentinel', problem: problem() };
}
