import { type Advice, bad, DEGRADE, LOGS } from './advice.js';

/** A replica where writes are to go. */
export const readOnly = (where: string): Advice =>
  bad('readonly', `${where} is a read-only replica, and a master was expected`, [
    'Was there a failover? INFO replication names the master: point the configuration at it',
    'Use sentinel: or cluster: so that the master is followed',
    'If a replica is meant: replica: true in the configuration',
  ]);

export const notReplica = (where: string): Advice =>
  bad('not_replica', `${where} is a master, and a replica was expected`, [
    'Was there a failover, or was it promoted by hand? Two masters lose writes',
    'If a master is meant: leave out replica: true',
  ]);

export const wrongRole = (where: string, role: string, announced: string): Advice =>
  bad('wrong_role', `${where} says that it is a ${role}, and was announced as a ${announced}`, [
    'Is a failover under way? Ping again in some seconds',
    'Is the view of the sentinels or the cluster old? (SENTINEL master NAME, CLUSTER NODES)',
  ]);

export const isSentinel = (where: string): Advice =>
  bad('is_sentinel', `${where} is a Sentinel, not a Redis`, [
    'Configure it as sentinel: { name, nodes: [host:port] }; the master is found through it',
  ]);

export const notSentinel = (where: string): Advice =>
  bad('not_sentinel', `${where} is a Redis, not a Sentinel`, [
    'Is the port right? Sentinels listen on 26379 by default, Redis on 6379',
    'Without Sentinel: configure it as url: redis://host:port',
  ]);

export const linkDown = (where: string): Advice =>
  bad('link_down', `the replica ${where} has lost its master: its data is getting old`, [
    'Is the master up? INFO replication names it (master_host)',
    'Is masterauth right, and the path from the replica to the master fine?',
  ]);

export const syncing = (where: string): Advice =>
  bad('syncing', `the replica ${where} is still copying the dataset of its master`, [
    'Wait: INFO replication has master_sync_left_bytes',
    'Does it begin again and again? (client-output-buffer-limit replica, repl-timeout, logs of both)',
  ]);

export const clusterDown = (reason: string): Advice =>
  bad('clusterdown', reason, [
    'Which masters are down, with no replica to take over? CLUSTER NODES shows fail',
    'Is every slot served? CLUSTER INFO: cluster_slots_ok must be 16384',
    'Bring the failed master back, or CLUSTER FAILOVER TAKEOVER at its replica',
    DEGRADE,
  ]);

export const noQuorum = (message: string): Advice =>
  bad('noquorum', `the sentinels could not fail over: ${message.replace(/^NOQUORUM /, '')}`, [
    'Are the other sentinels up, and do they reach one another?',
    'SENTINEL ckquorum NAME at each of them',
  ]);

export const noMaster = (message: string): Advice =>
  bad('no_master', `the sentinel answers, but ${message}`, [
    'Is sentinel.name right? SENTINEL masters lists the names that it watches',
    'Was the sentinel restarted without its monitor line, or reset?',
    LOGS,
  ]);
