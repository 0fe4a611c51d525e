import { join } from 'node:path';
import type { ApplicationConfig } from '../config/schema.js';
import { type State, writeDurably } from '../state/folder.js';
import type { PostgresMember } from './postgres.js';
import type { RedisMember } from './redis.js';
import type { ServiceMember } from './service.js';
import { siteFolder } from './site.js';

/** The beginning of the services' keys. */
export const KEYS = { prefix: 'sandbox', environment: 'development' } as const;

export interface Secrets {
  redis: string;
  postgres: string;
}

/** With the password in it: never to be shown. */
export function redisUrl({ port }: RedisMember, { redis }: Secrets): string {
  return `redis://:${redis}@127.0.0.1:${port}`;
}

/** With the password in it: never to be shown. */
export function postgresUrl({ port }: PostgresMember, { postgres }: Secrets): string {
  return `postgres://postgres:${postgres}@127.0.0.1:${port}/postgres`;
}

/** How the reference service is asked. */
export function applicationConfig(url: string): ApplicationConfig {
  return {
    health: `${url}/api/health`,
    redis: 'main',
    headers: {},
    mode: { at: '/cache', redis: 'redis', memory: 'memory' },
    probe: {
      write: 'PUT /api/cache/{key}',
      body: '{"value":"{value}","ttl":60}',
      read: 'GET /api/cache/{key}',
      delete: 'DELETE /api/cache/{key}',
    },
  };
}

/**
 * Writes the configuration that `--sandbox` stands for, the secrets in files beside it. It comes
 * last, whole: where it is, the sandbox was ready.
 */
export function writeConfig(
  state: State,
  servers: { redis: RedisMember; postgres: PostgresMember; services: ServiceMember[] },
  secrets: Secrets,
): void {
  const { redis, postgres, services } = servers;
  const folder = siteFolder(state);
  writeDurably(join(folder, 'redis.password'), `${secrets.redis}\n`);
  writeDurably(join(folder, 'postgres.url'), `${postgresUrl(postgres, secrets)}\n`);
  const text = JSON.stringify; // A JSON string is a YAML string.
  writeDurably(
    join(folder, 'cache-ops.yaml'),
    `# Written by "cache-ops sandbox up"; used with --sandbox; removed by "cache-ops sandbox down".
estate: sandbox
environment: ${KEYS.environment}
redis:
  main:
    url: redis://${redis.address}
    password: { file: redis.password }
    roles: [cache, queue]
    capacity: 256mb
    control: { process: { pidFile: ${text(redis.pidFile)}, start: ${text(redis.start)} } }
postgres:
  main: { url: { file: postgres.url } }
queues:
  - { engine: bullmq, redis: main }
  - { engine: pgboss, postgres: main }
applications:
${services.map(application).join('\n')}
workers:
${services.map(worker).join('\n')}
keys: { prefix: ${KEYS.prefix} }
`,
  );
}

function application({ name, url }: ServiceMember): string {
  const { health, redis, probe } = applicationConfig(url);
  return `  ${name}:
    health: ${health}
    redis: ${redis}
    probe: { write: "${probe?.write}", read: "${probe?.read}", delete: "${probe?.delete}" }
    tasks:
      start: POST /api/screening
      body: '{"kind":"drill-screening","batch_size":60,"items":{items}}'
      item: '{"paper":{n},"takes_ms":100}'
      read: GET /api/screening/{task}`;
}

function worker({ name, pidFile, start }: ServiceMember): string {
  return `  ${name}: { control: { process: { pidFile: ${JSON.stringify(pidFile)}, start: ${JSON.stringify(start)} } } }`;
}
