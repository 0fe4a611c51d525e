import type { Environment } from './environment.js';

/**
 * A first configuration file: it refers to the variables that the applications already set, so no
 * secret stands in it, and shows in comments what else there is.
 */
export function starterConfig(env: Environment, estate: string): string {
  const environment = ['CACHE_OPS_ENVIRONMENT', 'ENV', 'NODE_ENV'].find((name) => env[name]);
  const postgres = Boolean(env.DATABASE_URL);
  return `# The estate that cache-ops looks after. To check this file: cache-ops config check
# Secrets do not belong here: a value may be \${NAME}, \${NAME:-default} or { file: path }.
# Within { } and [ ] the first two need quotes. Every key there is: cache-ops config schema
estate: ${JSON.stringify(estate)}
# "production" makes cache-ops ask for the target's name before it changes or breaks anything.
environment: ${environment ? `\${${environment}:-development}` : 'development'}

redis:
  main:
${redisLines(env)}
    roles: [cache, queue]
    # The memory it may use, where maxmemory is 0:
    #capacity: 256mb
    # Beside a rediss:// URL; the file is relative to this one:
    #tls: { ca: certs/ca.pem }
    # How "drill redis-down" stops and starts it:
    #control:
    #  command: { stop: "docker stop redis", start: "docker start redis" }

${off(!postgres, `postgres:\n  main:\n    url: \${DATABASE_URL}`)}

queues:
  # version: 5 (or 6) says which BullMQ its applications use, where the queues do not tell it.
  - { engine: bullmq, redis: main, prefix: bull }
${off(!postgres, '  - { engine: pgboss, postgres: main }')}

# What "drill redis-down" watches: the health route must say which mode the cache is in.
#applications:
#  backend:
#    health: http://localhost:3001/api/health
#    mode: { at: /cache, redis: redis, memory: memory }
#    probe: { write: "PUT /api/cache/{key}", read: "GET /api/cache/{key}" }

keys:
  prefix: ${env.REDIS_PREFIX ? '${REDIS_PREFIX}' : 'cache-ops'}
  #rules:
  #  - { match: "{prefix}:{env}:task:import:{user}:{task}", ttl: 24h }

# Alerts have their rules built in (cache-ops alert rules); who is told, and what is to be otherwise:
#alerts:
#  rules:
#    - { rule: memory, warn: 70%, critical: 85% }
#  sinks:
#    - { name: oncall, type: webhook, url: "\${ALERT_URL}", secret: "\${ALERT_SECRET}" }
`;
}

function redisLines(env: Environment): string {
  if (env.REDIS_URL || !env.REDIS_HOST) return '    url: ${REDIS_URL}';
  return [
    'url: redis://${REDIS_HOST}:${REDIS_PORT:-6379}',
    ...(env.REDIS_PASSWORD ? ['password: ${REDIS_PASSWORD}'] : []),
    ...(env.REDIS_DB ? ['db: ${REDIS_DB}'] : []),
  ]
    .map((line) => `    ${line}`)
    .join('\n');
}

/** The lines commented out if `away`; behind a # without a space stands an example. */
function off(away: boolean, text: string): string {
  return away ? text.replace(/^/gm, '#') : text;
}
