# bash completion for ingest-appliance, as `ingest-appliance completion bash` prints it
_ingest_appliance() {
    local IFS=$'\n'
    COMPREPLY=($(ingest-appliance completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _ingest_appliance ingest-appliance
