#!/usr/bin/env node
// Node 22 and later keep compiled code between runs; on Node 20 this does nothing.
import module from 'node:module';

module.enableCompileCache?.();
await import('../dist/main.js');
