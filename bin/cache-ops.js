#!/usr/bin/env node
const [flag, ...more] = process.argv.slice(2);
if (more.length === 0 && (flag === '--version' || flag === '-V')) {
  // Scripts ask for the version at every step: that needs no command tree.
  process.stdout.on('error', ({ code }) => {
    if (code !== 'EPIPE') process.exitCode = 1;
  });
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  process.stdout.write(`${version}\n`);
} else {
  // Node 22 and later keep compiled code between runs; on Node 20 this does nothing.
  process.getBuiltinModule('node:module').enableCompileCache?.();
  await import('../dist/main.js');
}
