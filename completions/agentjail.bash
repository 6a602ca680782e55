# bash completion for agentjail(1)
# shellcheck shell=bash

# usage: _agentjail_profiles [/inject]: names of profiles, or of rules
_agentjail_profiles() {
	local exe dir file
	exe=$(command -v agentjail) || return
	for dir in "${exe%/bin/*}/share/agentjail/profiles" /usr/share/agentjail/profiles \
		/usr/local/share/agentjail/profiles "${XDG_CONFIG_HOME:-$HOME/.config}/agentjail/profiles"; do
		for file in "$dir$1"/*.ini; do
			[ -e "$file" ] || continue
			file=${file##*/}
			printf '%s\n' "${file%.ini}"
		done
	done | sort -u
}

_agentjail_sessions() {
	local file
	for file in "${XDG_STATE_HOME:-$HOME/.local/state}"/agentjail/audit/*.jsonl; do
		[ -e "$file" ] || continue
		file=${file##*/}
		printf '%s\n' "${file%.jsonl}"
	done
}

# What follows the agent's name is the agent's own: completed as if agentjail were not there.
_agentjail_rest() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	else
		mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
	fi
}

_agentjail() {
	local options='--profile --project --mode --allow --hide --read --write --protect --overlay
		--inject --env --set --fresh --explain --json --session --follow --denied --verify --list --forget
		--apply --drop --yes --against --quiet --verbose --help --version'
	local verbs='run doctor show check try log why status trust review selftest demo cache help'
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb='' i

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--) _agentjail_rest $((i + 1)) && return ;;
		-p | --profile | --project | --mode | --allow | --hide | --read | --write | --protect | \
			--overlay | --inject | --env | --set | --session | --against) i=$((i + 1)) ;;
		-*) ;;
		run | doctor | show | check | try | log | why | status | trust | review | selftest | demo | cache | help) verb=${verb:-${COMP_WORDS[i]}} ;;
		*)
			case $verb in
			'' | run) _agentjail_rest "$i" && return ;;
			esac
			;;
		esac
	done
	case $before in
	-p | --profile)
		mapfile -t COMPREPLY < <(compgen -W "$(_agentjail_profiles)" -- "$word"; compgen -f -- "$word")
		return
		;;
	--project) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
	--mode) mapfile -t COMPREPLY < <(compgen -W 'none inject shared split' -- "$word") && return ;;
	--hide | --read | --write | --protect | --overlay)
		mapfile -t COMPREPLY < <(compgen -f -- "$word") && return
		;;
	--inject) mapfile -t COMPREPLY < <(compgen -W "$(_agentjail_profiles /inject)" -- "$word") && return ;;
	--env) mapfile -t COMPREPLY < <(compgen -e -- "$word") && return ;;
	--session) mapfile -t COMPREPLY < <(compgen -W "$(_agentjail_sessions)" -- "$word") && return ;;
	--allow | --set | --against) return ;;
	esac
	case $word in -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") && return ;; esac
	case $verb in
	'') mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word"; compgen -c -- "$word") ;;
	run) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
	show) mapfile -t COMPREPLY < <(compgen -W "$(_agentjail_profiles)" -- "$word") ;;
	check) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	cache)
		case $before in
		cache) mapfile -t COMPREPLY < <(compgen -W 'list clean' -- "$word") ;;
		clean) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
		esac
		;;
	log) mapfile -t COMPREPLY < <(compgen -W "last $(_agentjail_sessions)" -- "$word") ;;
	trust) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	why | review) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	try)
		case $before in
		try) mapfile -t COMPREPLY < <(compgen -W 'read write exec connect inject tool' -- "$word") ;;
		exec) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
		*) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
		esac
		;;
	esac
}

complete -o filenames -F _agentjail agentjail
