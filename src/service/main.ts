import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { startService } from './server.js';
import { type Settings, SettingsError, settingsFrom } from './settings.js';

/** The service as a process: settings from the environment, one JSON line on stdout when it listens. */
async function main(): Promise<void> {
  const { pid, env, stdout, stderr } = process;
  // Whoever started us may have gone, and taken the pipes along.
  stdout.on('error', () => {});
  stderr.on('error', () => {});
  const settings = readSettings();
  if (!settings) return;
  if (env.PID_FILE) writeFileSync(env.PID_FILE, `${pid}\n`);
  const service = await startService(settings, {
    onError: (error) =>
      stderr.write(`${JSON.stringify({ event: 'error', error: String(error) })}\n`),
  });
  // A second signal meets no listener and ends the process at once.
  const stop = () => void service.close();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  stdout.write(`${JSON.stringify({ event: 'listening', url: service.url, pid })}\n`);
}

function readSettings(): Settings | undefined {
  try {
    return settingsFrom(process.env, { instance: `${hostname()}-${process.pid}` });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`service: ${error.message}\n`);
    process.exitCode = 2;
    return undefined;
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`service: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
