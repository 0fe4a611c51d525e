import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { SCRIPT_FILES, SCRIPTS, type Shell } from '../../src/completion/scripts.js';
import { binary } from '../servers/binaries.js';

const run = promisify(execFile);

/** A home folder with the completion scripts, and the command on PATH as `cache-ops`. */
export interface Home {
  folder: string;
  script(shell: Shell): string;
  /** Runs a program in that home. */
  run(file: string, ...args: string[]): Promise<string>;
  /**
   * Types each line into a real terminal, presses TAB, and returns the words that the shell then
   * hands over. zsh opens the terminal, for bash as well.
   */
  type(shell: 'bash' | 'zsh', lines: string[]): Promise<string[][]>;
  /** What fish offers for each line, without the descriptions. */
  offered(lines: string[]): Promise<string[][]>;
  remove(): void;
}

export async function makeHome(config: string): Promise<Home> {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-shells-'));
  const file = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  await bundle(join(folder, 'dist'));
  const command = file(
    'bin/cache-ops',
    `#!/bin/sh\nexec "${process.execPath}" "${folder}/dist/main.js" "$@"\n`,
  );
  chmodSync(command, 0o755);
  for (const shell of ['bash', 'zsh', 'fish'] as const)
    file(`scripts/${SCRIPT_FILES[shell]}`, SCRIPTS[shell]);
  file('cache-ops.yaml', config);
  file('.zshenv', zshModules());
  const driver = file('driver.zsh', DRIVER);
  const zsh = binary('zsh') ?? 'zsh';
  const home: Home = {
    folder,
    script: (shell) => join(folder, 'scripts', SCRIPT_FILES[shell]),
    async run(program, ...args) {
      const env = {
        PATH: `${folder}/bin:${process.env.PATH}`,
        HOME: folder,
        ZDOTDIR: folder,
        XDG_STATE_HOME: folder,
        TERM: 'dumb',
      };
      return (await run(program, args, { cwd: folder, env, timeout: 30_000 })).stdout;
    },
    async type(shell, lines) {
      const [start, setup] =
        shell === 'zsh' ? [`${zsh} -d -i`, ZSH_SETUP] : ['bash --norc --noprofile -i', BASH_SETUP];
      const shown = await home.run(zsh, '-d', driver, start, `${setup}; ${SHOW}`, ...lines);
      return [...shown.matchAll(/<BEGIN>(.*?)<END>/g)].map(([, words = '']) =>
        [...words.matchAll(/<([^<>]*)>/g)].map(([, word = '']) => word),
      );
    },
    async offered(lines) {
      const shown = await home.run(binary('fish') ?? 'fish', '--no-config', '-c', FISH, ...lines);
      return shown
        .split('<END>\n')
        .slice(0, -1)
        .map((part) => [...part.matchAll(/^([^\t\n]+).*\n/gm)].map(([, value = '']) => value));
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
  return home;
}

/** After TAB, `show` is put before the line and Enter pressed. */
const DRIVER = `
zmodload zsh/zpty
zpty S "$1"
zpty -w S "$2; echo REA''DY"
zpty -r -m S out '*READY*'
for line in "\${@:3}"; do
  zpty -w -n S "$line"$'\\t\\C-ashow \\n'
  zpty -r -m S out '*<END>*'
  print -r -- "$out"
done
zpty -d S
`;
const SHOW = `show() { printf '<BEG''IN>'; printf '<%s>' "$@"; echo '<E''ND>'; }; PS1='> '`;
const ZSH_SETUP =
  'stty cols 500; fpath=($HOME/scripts $fpath); autoload -Uz compinit; compinit -D -u';
const BASH_SETUP = "stty cols 500; bind 'set bell-style none'; source $HOME/scripts/cache-ops.bash";

const FISH = `
set fish_function_path $fish_function_path (string split : $XDG_DATA_DIRS)/fish/functions
source $HOME/scripts/cache-ops.fish
for line in $argv
  complete -C $line
  echo '<END>'
end`;

/** An extracted zsh (test/bootstrap) has its modules elsewhere than it was built for. */
function zshModules(): string {
  const root = join(dirname(dirname(binary('zsh') ?? '/')), 'root');
  return existsSync(root) ? `module_path=(${root}/usr/lib/*-linux-gnu*/zsh/*)\n` : '';
}

async function bundle(outdir: string): Promise<void> {
  await build({
    entryPoints: [new URL('../../src/main.ts', import.meta.url).pathname],
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    external: ['pg-native', 'page:*'],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
    },
    logLevel: 'error',
  });
  writeFileSync(join(outdir, 'package.json'), '{"type":"module"}');
}
