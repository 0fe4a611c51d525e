# fish completion of cache-ops, written by: cache-ops completion fish
function __cache_ops_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l candidates (cache-ops __complete -- $before[2..-1] "$current" 2>/dev/null)
    if test "$candidates" = files
        set -l flag (string match -r -- '^--[^=]*=' "$current")
        string replace -r -- '^' "$flag" (__fish_complete_path (string replace -- "$flag" '' "$current"))
    else
        string join -- \n $candidates
    end
end
complete -c cache-ops -f -k -a '(__cache_ops_complete)'
