import { Agent, request as http } from 'node:http';
import { request as https, Agent as SecureAgent } from 'node:https';
import { type Application, route } from '../applications/client.js';
import type { LoadClient } from './load.js';

interface Answer {
  status: number;
  text: string;
}

/**
 * One client of an application with a connection of its own that is kept. By node:http: fetch takes more
 * time for a request than many an application, and would be what is measured.
 */
export function httpClient(
  { config }: Application,
  keyOf: (number: number) => string,
  value: string,
  timeout: number,
): LoadClient {
  const options = { keepAlive: true, maxSockets: 1 };
  const secure = new URL(config.health).protocol === 'https:';
  const agent = secure ? new SecureAgent(options) : new Agent(options);
  const ask = (template: string | undefined, number: number, body?: string) => {
    const [method, url] = route(config, template, keyOf(number));
    return new Promise<Answer>((resolve, reject) => {
      const headers = {
        ...config.headers,
        ...(body !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        }),
      };
      const asked = (secure ? https : http)(
        url,
        { method, headers, agent, timeout },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
          response.on('error', reject);
        },
      );
      asked.on('timeout', () => asked.destroy(new Error(`no answer within ${timeout} ms`)));
      asked.on('error', reject);
      asked.end(body);
    });
  };
  return {
    async write(number) {
      const body = config.probe?.body.replaceAll('{value}', value);
      const { status } = await ask(config.probe?.write, number, body);
      if (status < 200 || status > 299) throw new Error(`answered ${status}`);
    },
    async read(number) {
      const { status, text } = await ask(config.probe?.read, number);
      if (status === 404) throw new Error('the value is missing');
      if (status < 200 || status > 299) throw new Error(`answered ${status}`);
      if (!text.includes(value)) throw new Error('another value was read');
    },
    close: () => agent.destroy(),
  };
}
