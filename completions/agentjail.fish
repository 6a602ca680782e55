# fish completion for agentjail(1)

function __agentjail_first
    # True while neither a verb nor an agent has been written.
    set -l words (commandline -opc)
    set -e words[1]
    set -l takes -p --profile --project --mode --allow --hide --read --write --protect --overlay --inject --env --set --session
    set -l skip no
    for word in $words
        if test $skip = yes
            set skip no
        else if contains -- $word $takes
            set skip yes
        else if not string match -q -- '-*' $word
            return 1
        end
    end
    return 0
end

function __agentjail_profiles
    set -l config $HOME/.config
    set -q XDG_CONFIG_HOME; and set config $XDG_CONFIG_HOME
    for file in /usr/share/agentjail/profiles/*.ini /usr/local/share/agentjail/profiles/*.ini \
            $config/agentjail/profiles/*.ini
        string replace -r '.*/(.*)\.ini$' '$1' $file
    end
end

function __agentjail_rules
    set -l config $HOME/.config
    set -q XDG_CONFIG_HOME; and set config $XDG_CONFIG_HOME
    for file in /usr/share/agentjail/profiles/inject/*.ini /usr/local/share/agentjail/profiles/inject/*.ini \
            $config/agentjail/profiles/inject/*.ini
        string replace -r '.*/(.*)\.ini$' '$1' $file
    end
end

function __agentjail_sessions
    set -l state $HOME/.local/state
    set -q XDG_STATE_HOME; and set state $XDG_STATE_HOME
    for file in $state/agentjail/audit/*.jsonl
        string replace -r '.*/(.*)\.jsonl$' '$1' $file
    end
end

function __agentjail_actions
    string match -q try -- (commandline -opc)[-1]
    and printf '%s\n' read write exec connect inject tool
end

complete -c agentjail -f
complete -c agentjail -n __agentjail_first -s p -l profile -r -F -a '(__agentjail_profiles)' -d 'Use this profile'
complete -c agentjail -n __agentjail_first -l project -r -a '(__fish_complete_directories)' -d 'The project'
complete -c agentjail -n __agentjail_first -l mode -x -a 'none inject shared split' -d 'Split, or less, to compare'
complete -c agentjail -n __agentjail_first -l allow -x -d 'Let commands reach a host'
complete -c agentjail -n __agentjail_first -l hide -r -F -d 'Absent for commands'
complete -c agentjail -n __agentjail_first -l read -r -F -d 'Read-only for commands'
complete -c agentjail -n __agentjail_first -l write -r -F -d 'Writable for commands'
complete -c agentjail -n __agentjail_first -l protect -r -F -d 'Readable and not to be changed'
complete -c agentjail -n __agentjail_first -l overlay -r -F -d 'Copy-on-write, dropped at the end'
complete -c agentjail -n __agentjail_first -l inject -x -a '(__agentjail_rules)' -d 'Switch a rule on'
complete -c agentjail -n __agentjail_first -l env -x -a '(set -nx)' -d 'Pass a variable on or set it'
complete -c agentjail -n __agentjail_first -l set -x -d 'One more line of profile'
complete -c agentjail -n __agentjail_first -l fresh -d 'A new cell for every command, which ends with it'
complete -c agentjail -n __agentjail_first -l explain -d 'Print the plan and run nothing'
complete -c agentjail -n '__fish_seen_subcommand_from doctor show try log status cache review demo selftest' -l json -d 'Print JSON'
complete -c agentjail -n '__fish_seen_subcommand_from why' -l session -x -a '(__agentjail_sessions)' -d 'Look into that session'
complete -c agentjail -n '__fish_seen_subcommand_from log' -l follow -d 'Go on while the session runs'
complete -c agentjail -n '__fish_seen_subcommand_from log' -l denied -d 'Denials only'
complete -c agentjail -n '__fish_seen_subcommand_from log' -l verify -d 'Check that no record was changed'
complete -c agentjail -n '__fish_seen_subcommand_from trust' -l list -d 'List what is trusted'
complete -c agentjail -n '__fish_seen_subcommand_from trust' -l forget -d 'Trust it no more'
complete -c agentjail -n '__fish_seen_subcommand_from trust' -l yes -d 'Do not ask'
complete -c agentjail -n '__fish_seen_subcommand_from review' -l apply -d 'Give the host what commands changed'
complete -c agentjail -n '__fish_seen_subcommand_from review' -l drop -d 'Forget what commands changed'
complete -c agentjail -n '__fish_seen_subcommand_from selftest' -l against -x -d 'Try another sandbox'
complete -c agentjail -n __agentjail_first -s q -l quiet -d 'Errors only'
complete -c agentjail -n __agentjail_first -s v -l verbose -d 'Say more on stderr'
complete -c agentjail -n __agentjail_first -s h -l help -d 'Print a summary'
complete -c agentjail -n __agentjail_first -l version -d 'Print the version'

complete -c agentjail -n __agentjail_first -a run -d 'Run one command in a cell'
complete -c agentjail -n __agentjail_first -a doctor -d 'What this machine can do, and the exact fix'
complete -c agentjail -n __agentjail_first -a show -d 'The effective policy'
complete -c agentjail -n __agentjail_first -a check -d 'Is this profile valid'
complete -c agentjail -n __agentjail_first -a try -d 'Would it be allowed, and which line says so'
complete -c agentjail -n __agentjail_first -a log -d 'Sessions, or what happened in one'
complete -c agentjail -n __agentjail_first -a why -d 'Why it was allowed or denied'
complete -c agentjail -n __agentjail_first -a status -d 'Sessions that run'
complete -c agentjail -n __agentjail_first -a trust -d 'Let the profile of the project loosen'
complete -c agentjail -n __agentjail_first -a review -d 'Files that were held back'
complete -c agentjail -n __agentjail_first -a demo -d 'One attack in each --mode'
complete -c agentjail -n __agentjail_first -a selftest -d 'The attack suite on this machine and profile'
complete -c agentjail -n __agentjail_first -a cache -d 'The caches that are kept for projects'
complete -c agentjail -n __agentjail_first -a help -d 'Print a summary'
complete -c agentjail -n __agentjail_first -a '(__fish_complete_command)'

complete -c agentjail -n '__fish_seen_subcommand_from check why review' -F
complete -c agentjail -n '__fish_seen_subcommand_from try' -F -a '(__agentjail_actions)'
complete -c agentjail -n '__fish_seen_subcommand_from log' -a 'last (__agentjail_sessions)'
complete -c agentjail -n '__fish_seen_subcommand_from trust' -a '(__fish_complete_directories)'
complete -c agentjail -n '__fish_seen_subcommand_from show' -a '(__agentjail_profiles)'
complete -c agentjail -n 'not __agentjail_first; and not __fish_seen_subcommand_from doctor show check try log why status trust review selftest demo cache help' -a '(__fish_complete_subcommand)'
complete -c agentjail -n '__fish_seen_subcommand_from cache; and not __fish_seen_subcommand_from list clean' -a 'list clean'
complete -c agentjail -n '__fish_seen_subcommand_from cache; and __fish_seen_subcommand_from clean' -a '(__fish_complete_directories)'
