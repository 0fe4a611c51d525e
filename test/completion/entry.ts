// The command line with a command more: one that takes queues. Bundled by shells.ts.
import type { Command } from 'commander';
import { COMMANDS } from '../../src/program.js';

(COMMANDS as (typeof COMMANDS)[number][]).push({
  name: 'see',
  summary: 'look at queues',
  load: async () => ({
    register: (command: Command) =>
      void command
        .argument('[target]')
        .option('--queue <name>', 'whose')
        .option('--order <order>')
        .option('--file <file>'),
  }),
});
await import('../../src/main.js');
