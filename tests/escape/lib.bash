# Shared by the scripts of the escape tests (sourced): TAP lines, a furnished home, running an act
# outside and in a cell. Expects: base (a directory of this user), attack (the hostile program),
# agentjail (the program under test; empty: controls only), who (user or root).
# shellcheck shell=bash disable=SC2154,SC2034

canary="canary-$$-not-to-be-seen"
me=$(id -un)
count=0

later= # why the next cases are known to fail: what they ask for is not promised yet

tap() { # RESULT TITLE [NOTE...]: RESULT is ok, no or skip
	local result=$1 title=$2
	shift 2
	count=$((count + 1))
	case $result in
	ok) printf 'ok %d - %s: %s\n' "$count" "$who" "$title" ;;
	skip) printf 'ok %d - %s: %s # SKIP %s\n' "$count" "$who" "$title" "$*" ;;
	*)
		printf 'not ok %d - %s: %s%s\n' "$count" "$who" "$title" "${later:+ # todo $later}"
		printf '# %s\n' "$@"
		;;
	esac
}

# A home with what an attacker looks for, and a project in it. $1: bare or jail.
furnish() {
	local home=$base/$1/home project=$base/$1/home/project file
	mkdir -p "$base/$1/run" "$project/sub" "$home/.docker/run" "$base/$1/run/podman"
	chmod 700 "$base/$1/run"
	for file in .ssh/id_rsa .aws/credentials .config/gh/hosts.yml .netrc .git-credentials \
		.config/gcloud/credentials.db .docker/config.json .kube/config .bash_history \
		.gnupg/private-keys-v1.d/key .nobody-has-heard-of/token documents/diary.txt; do
		mkdir -p "$(dirname "$home/$file")"
		printf 'secret of %s %s\n' "$file" "$canary" >"$home/$file"
		chmod 600 "$home/$file"
	done
	echo 'alias ll="ls -l"' >"$home/.bashrc"
	printf '[user]\n\tname = Test\n\temail = test@example.org\n' >"$home/.gitconfig"
	mkdir -p "$project/sub/"{.streamlit,config/credentials}
	for file in .env .env.local sub/.env sub/.streamlit/secrets.toml \
		sub/config/credentials/production.key; do
		printf 'PASSWORD=%s\n' "$canary" >"$project/$file"
	done
	echo 'PASSWORD=' >"$project/.env.example"
	echo 'export EDITOR=vi' >"$project/.envrc"
	echo 'a project' >"$project/README"
	HOME=$home git -C "$project" init -q
	HOME=$home git -C "$project" add README .env.example .envrc
	HOME=$home git -C "$project" commit -qm first
	printf '#!/bin/sh\n' >"$project/.git/hooks/pre-commit"
	ln -s "$home/.ssh/id_rsa" "$project/link-to-key"
	ln -s "$home/.ssh" "$project/link-to-dir"
	ln -s .env "$project/link-to-env"
	ln "$home/.ssh/id_rsa" "$project/hard-link-to-key"
	ln "$project/.env.local" "$project/hard-link-to-env"
	cp "$attack" "$project/attack"
}

# side_env SIDE: sets env_of to the environment of an agent's user on that side.
side_env() {
	local home=$base/$1/home run=$base/$1/run
	env_of=(env -i HOME="$home" PATH=/usr/local/bin:/usr/bin:/bin USER="$me" LOGNAME="$me"
		SHELL=/bin/sh TERM=dumb LANG=C XDG_RUNTIME_DIR="$run" SSH_AUTH_SOCK="$run/ssh-agent"
		DBUS_SESSION_BUS_ADDRESS="unix:path=$run/bus" AWS_SECRET_ACCESS_KEY="$canary"
		ANTHROPIC_API_KEY="$canary" MY_TOKEN="$canary")
}

# in_project SIDE COMMAND...: runs it there; answers in $out, status in $status.
in_project() {
	local side=$1 IFS=$' \t\n'
	shift
	side_env "$side"
	cd "$base/$side/home/project" || return
	out=$(timeout -k 5 20 "${env_of[@]}" "$@" 2>"$base/stderr" </dev/null)
	status=$?
	cd / || return
}

# Runs COMMAND... in a cell in the jailed project.
in_cell() {
	in_project jail "${jail[@]}" "$@"
}

# The answer of an act, in one word: OK, an errno's name, SIGSYS...
answer() {
	local last
	last=$(printf '%s' "$out" | tail -n 1)
	case $last in
	OK*) echo OK ;;
	SKIP*) echo SKIP ;;
	E* | NONE) echo "$last" ;;
	*) if [ "$status" = 159 ]; then echo SIGSYS; else echo "status-$status:$last"; fi ;;
	esac
}

# among WORD LIST: is it one of the comma-separated?
among() {
	case ",$2," in *",$1,"*) return 0 ;; esac
	return 1
}

# A host process that answers on sockets; sets pid_of, port, secret_fd, memory. start_victim PORT UNIX...
start_victim() {
	local port_wanted=$1 wait
	shift
	rm -f "$base/ready"
	: >"$base/heard"
	side_env bare
	(cd "$base/bare/home/project" && exec "${env_of[@]}" "$attack" victim "$base/ready" "$base/heard" \
		"$base/bare/home/.ssh/id_rsa" "$port_wanted" "$@") &
	victim=$!
	for wait in $(seq 100); do
		[ -s "$base/ready" ] && break
		sleep 0.05
	done
	: "$wait"
	read -r pid_of port secret_fd memory <"$base/ready" || return 1
}

stop_victim() {
	kill "$victim" 2>/dev/null
	wait "$victim" 2>/dev/null
}

heard_lines() {
	wc -l <"$base/heard"
}
