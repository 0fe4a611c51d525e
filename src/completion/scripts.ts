/** The shells that are served, and what their script's file is called. */
export const SCRIPT_FILES = {
  bash: 'cache-ops.bash',
  zsh: '_cache-ops',
  fish: 'cache-ops.fish',
} as const;

export type Shell = keyof typeof SCRIPT_FILES;

/**
 * Each script hands the words up to the cursor to `cache-ops __complete`, and shows what comes
 * back: lines `value<TAB>description`, or the word `files`.
 */
export const SCRIPTS: Record<Shell, string> = {
  bash: `# bash completion of cache-ops, written by: cache-ops completion bash
_cache_ops() {
  local line=\${COMP_LINE:0:COMP_POINT} words=() piece i last
  # COMP_WORDS is cut at : and = too; the line tells what belongs together.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    if [[ $i -eq 0 || $line == [[:space:]]* ]]; then
      line=\${line#"\${line%%[![:space:]]*}"}
      words+=('')
    fi
    piece=\${line:0:\${#COMP_WORDS[i]}}
    last=$((\${#words[@]} - 1))
    words[last]+=$piece
    line=\${line:\${#piece}}
  done
  # bash replaces the last piece only, so what stands before it is left out of each candidate.
  case $piece in : | =) piece='' ;; esac
  local before=\${words[last]%"$piece"} candidates value reply=()
  before=\${before//\\\\/}
  candidates=$(cache-ops __complete -- "\${words[@]:1}" 2>/dev/null)
  COMPREPLY=()
  if [[ $candidates == files ]]; then
    compopt -o default 2>/dev/null
    return
  fi
  while IFS=$'\\t' read -r value _; do
    [[ -n $value ]] || continue
    value=\${value#"$before"}
    # Inside quotes a name stands as it is; outside it needs its backslashes.
    [[ $piece == [\\"\\']* ]] || printf -v value %q "$value"
    reply+=("$value")
  done <<<"$candidates"
  COMPREPLY=("\${reply[@]}")
}
complete -F _cache_ops cache-ops
`,
  zsh: `#compdef cache-ops
# zsh completion of cache-ops, written by: cache-ops completion zsh
_cache-ops() {
  local line candidates
  local -a described
  candidates=$(cache-ops __complete -- "\${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)
  if [[ $candidates == files ]]; then
    compset -P '--*='
    _files
    return
  fi
  for line in "\${(@f)candidates}"; do
    [[ -n $line ]] || continue
    # _describe takes value:description.
    described+=("\${\${\${line%%$'\\t'*}//\\\\/\\\\\\\\}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe cache-ops described
}
if [[ $funcstack[1] == _cache-ops ]]; then
  _cache-ops "$@"
else
  compdef _cache-ops cache-ops
fi
`,
  fish: `# fish completion of cache-ops, written by: cache-ops completion fish
function __cache_ops_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l candidates (cache-ops __complete -- $before[2..-1] "$current" 2>/dev/null)
    if test "$candidates" = files
        set -l flag (string match -r -- '^--[^=]*=' "$current")
        string replace -r -- '^' "$flag" (__fish_complete_path (string replace -- "$flag" '' "$current"))
    else
        string join -- \\n $candidates
    end
end
complete -c cache-ops -f -k -a '(__cache_ops_complete)'
`,
};
