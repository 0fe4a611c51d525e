# bash completion of cache-ops, written by: cache-ops completion bash
_cache_ops() {
  local line=${COMP_LINE:0:COMP_POINT} words=() piece i last
  # COMP_WORDS is cut at : and = too; the line tells what belongs together.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    if [[ $i -eq 0 || $line == [[:space:]]* ]]; then
      line=${line#"${line%%[![:space:]]*}"}
      words+=('')
    fi
    piece=${line:0:${#COMP_WORDS[i]}}
    last=$((${#words[@]} - 1))
    words[last]+=$piece
    line=${line:${#piece}}
  done
  # bash replaces the last piece only, so what stands before it is left out of each candidate.
  case $piece in : | =) piece='' ;; esac
  local before=${words[last]%"$piece"} candidates value reply=()
  before=${before//\\/}
  candidates=$(cache-ops __complete -- "${words[@]:1}" 2>/dev/null)
  COMPREPLY=()
  if [[ $candidates == files ]]; then
    compopt -o default 2>/dev/null
    return
  fi
  while IFS=$'\t' read -r value _; do
    [[ -n $value ]] || continue
    value=${value#"$before"}
    # Inside quotes a name stands as it is; outside it needs its backslashes.
    [[ $piece == [\"\']* ]] || printf -v value %q "$value"
    reply+=("$value")
  done <<<"$candidates"
  COMPREPLY=("${reply[@]}")
}
complete -F _cache_ops cache-ops
