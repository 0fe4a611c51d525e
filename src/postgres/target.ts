import type { Config } from '../config/load.js';

/** A Postgres of the configuration by its name. Its URL holds a secret: never print it, print `address`. */
export interface PostgresTarget {
  name: string;
  url: string;
  /** `host:port/database`. */
  address: string;
}

export function postgresTargets(config: Config): PostgresTarget[] {
  return Object.entries(config.postgres).map(([name, { url }]) => ({
    name,
    url,
    address: addressOf(url),
  }));
}

function addressOf(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = searchParams.get('host') ?? (hostname || 'localhost');
  return `${host}:${port || 5432}${decodeURIComponent(pathname)}`;
}
