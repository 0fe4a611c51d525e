#!/usr/bin/env node
import module, { createRequire } from 'node:module';

const [flag, ...more] = process.argv.slice(2);
if (more.length === 0 && (flag === '--version' || flag === '-V')) {
  // Scripts ask for the version at every step: that needs no command tree.
  process.stdout.on('error', ({ code }) => {
    if (code !== 'EPIPE') process.exitCode = 1;
  });
  process.stdout.write(`${createRequire(import.meta.url)('../package.json').version}\n`);
} else {
  // Node 22 and later keep compiled code between runs; on Node 20 this does nothing.
  module.enableCompileCache?.();
  await import('../dist/main.js');
}
