# bash completion for ingest-appliance
_ingest_appliance() {
    local current=$2 previous=$3 command=${COMP_WORDS[1]:-}
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W \
            "run distributed standalone doctor backup restore user \
            get describe apply patch pause resume stop restart delete offsets dlq topic logs \
            validate plugin log-level whoami \
            --help --version" -- "$current")
        return
    fi
    case $previous in
        --role) mapfile -t COMPREPLY < <(compgen -W "view operate administer" -- "$current"); return ;;
        --worker) mapfile -t COMPREPLY < <(compgen -f -X '!*.properties' -- "$current"); return ;;
    esac
    case $command:$current in
        doctor:-*) mapfile -t COMPREPLY < <(compgen -W "--worker --json --help" -- "$current") ;;
        backup:-* | restore:-*) mapfile -t COMPREPLY < <(compgen -W "--worker --help" -- "$current") ;;
        user:-*) mapfile -t COMPREPLY < <(compgen -W "--role --token --help" -- "$current") ;;
        dlq:*) mapfile -t COMPREPLY < <(compgen -W "list show export replay discard" -- "$current") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    esac
}
complete -o filenames -F _ingest_appliance ingest-appliance
