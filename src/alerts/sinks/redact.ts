import { HIDDEN } from '../../config/secrets.js';
import type { SinkConfig } from '../../config/sinks.js';
import { printable } from '../../words.js';

const LONGEST = 300;

/** Makes a text that came from the other side or from an error fit to be shown: one short line, no secret of the sink in it. */
export function redactor(config: SinkConfig): (text: string) => string {
  const secrets = secretsOf(config)
    .flatMap((secret) => [secret, encodeURIComponent(secret), base64(secret)])
    // The longest first: one may be a part of another.
    .sort((a, b) => b.length - a.length);
  return (text) => {
    const clean = secrets.reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), text);
    const line = printable(clean.replace(/\s+/g, ' ').trim());
    return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
  };
}

function secretsOf(config: SinkConfig): string[] {
  const secrets: string[] = [];
  // Whoever knows the path of a chat's webhook may write to it.
  if ('url' in config) secrets.push(config.url, ...partsOf(config.url));
  if ('secret' in config) secrets.push(config.secret);
  if ('headers' in config) secrets.push(...Object.values(config.headers).flatMap(headerParts));
  if (config.type === 'email' && config.password !== undefined) {
    const { username = '', password } = config;
    // What AUTH PLAIN sends.
    secrets.push(password, `\0${username}\0${password}`);
  }
  return secrets.filter((secret) => secret !== '');
}

function partsOf(url: string): string[] {
  const { pathname, search, searchParams } = new URL(url);
  return [pathname + search, pathname, search, ...searchParams.values()].filter(
    (part) => part.length > 3,
  );
}

/** "Bearer TOKEN" is the token too. */
function headerParts(value: string): string[] {
  return [value, ...value.split(' ').filter((part) => part.length > 5)];
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
