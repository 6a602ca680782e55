#!/usr/bin/env bats
# Proves: a project's profile loosens only while it has the very content that the user has trusted;
# no cell can write what is trusted; what is shown on the terminal is harmless and complete.
load lib.bash
setup() {
	new_home
	mkdir "$HOME/elsewhere"
	printf '# ours\n[files]\nhide = ./secret\nwrite = ~/elsewhere\n[egress]\nallow = proj.test\n' \
		>.agentjail.ini
}

on_terminal() { # KEYS: typed as the answer
	timeout 60 python3 "$top/tests/e2e/type.py" 30 'y/N' "$1" -- "$agentjail" trust >"$root/out" </dev/null
}

not_allowed() { if allowed; then cat "$root/tried" && return 1; fi; }
allowed() { "$agentjail" -q try connect proj.test >"$root/tried" 2>&1; }

@test "what is trusted counts, and what is changed later does not" {
	not_allowed
	works "$agentjail" trust --yes
	has "not trusted yet"
	has "4 + write = ~/elsewhere"
	has "6 + allow = proj.test"
	has "3   hide = ./secret"
	has "2 lines (+) loosen"
	allowed
	works "$agentjail" show
	has "$HOME/elsewhere"
	# The other content is skipped again, in one line that says what to do.
	cp .agentjail.ini "$root/seen"
	sed -i 's/proj.test/proj.test evil.test/' .agentjail.ini
	not_allowed
	run --separate-stderr "$agentjail" show
	# shellcheck disable=SC2154
	[ "${#stderr_lines[@]}" = 1 ]
	[[ ${stderr_lines[0]} = *"$project/.agentjail.ini:4: 2 lines skipped: the file was changed since it was trusted; look at it with: agentjail trust" ]]
	has_not evil.test
	works "$agentjail" trust --list
	[ "$output" = "changed    $project" ]
	cp "$root/seen" .agentjail.ini
	allowed
	works "$agentjail" trust --list
	[ "$output" = "trusted    $project" ]
}

@test "a session uses what is trusted, and a command cannot trust anything" {
	works "$agentjail" trust --yes
	works "$agentjail" run -- sh -c 'echo x >~/elsewhere/written'
	[ "$(cat "$HOME/elsewhere/written")" = x ]
	cp "$config/trusted" "$root/before"
	"$agentjail" run -- sh -c '
		mkdir -p ~/.config/agentjail
		echo forged >~/.config/agentjail/trusted
		rm -rf ~/.config/agentjail
		echo "[egress]" >>.agentjail.ini' >"$root/out" 2>&1 || true
	cmp "$config/trusted" "$root/before"
	[ "$(stat -c %a "$config/trusted")" = 600 ]
	allowed
	# The control: outside of a cell the same words do it.
	echo forged >"$config/trusted"
	not_allowed
}

@test "agentjail's own directories are out of reach of commands and agent, wherever they are" {
	local variable dir
	for variable in XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR; do
		dir=$HOME/xdg/$variable
		mkdir -p "$dir/agentjail" "$dir/other"
		echo ours >"$dir/agentjail/known"
		echo others >"$dir/other/known"
		for how in "run --set sandbox.home=open --" "--set sandbox.home=open"; do
			# Reading and writing by the shell itself: without "run" that is the agent.
			# shellcheck disable=SC2086 # words
			env "$variable=$dir" "$agentjail" -q $how sh -c "
				read -r x <$dir/other/known && echo \$x
				read -r x <$dir/agentjail/known && echo \$x
				echo forged >$dir/agentjail/known
				echo forged >$dir/agentjail/new
				mv $dir/agentjail $dir/gone
				rm -rf $dir/agentjail" >"$root/out" 2>/dev/null </dev/null || true
			[ "$(cat "$root/out")" = others ]
			[ "$(cat "$dir/agentjail/known")" = ours ] && [ ! -e "$dir/agentjail/new" ]
		done
	done
}

@test "where commands could write them, agentjail does not start" {
	export XDG_CONFIG_HOME=$project/x
	fails 125 "could write $project/x/agentjail/trusted" "$agentjail" -q run -- true
	unset XDG_CONFIG_HOME
	export XDG_STATE_HOME=$project/x
	fails 125 "can write $project/x/agentjail" "$agentjail" -q run -- true
	unset XDG_STATE_HOME
	export XDG_CACHE_HOME=$project/x
	fails 125 "can write $project/x/agentjail" "$agentjail" -q run -- true
}

@test "a project's profile that a command makes tightens, until the user has seen it" {
	rm .agentjail.ini
	# Whether it can be made at all is the cell's matter: what counts is what it can do then.
	"$agentjail" -q run -- sh -c 'printf "[egress]\nallow = proj.test\n[agent]\ntrusted = /bin/sh *\n" \
		>.agentjail.ini' 2>/dev/null || true
	not_allowed
	printf '[egress]\nallow = proj.test\n' >.agentjail.ini
	not_allowed
	works "$agentjail" trust --yes
	allowed
}

@test "a policy that lets commands write what is trusted is refused" {
	works "$agentjail" trust --yes
	fails 125 "commands could write $config/trusted" "$agentjail" run --write "$config/trusted" -- true
	fails 125 "commands could write $config/trusted" "$agentjail" run --set 'files.hide=!~/.config/agentjail' \
		--write "$HOME/.config" -- true
	# Not by the project either, however it is trusted.
	printf '[files]\nhide = !~/.config/agentjail\nwrite = ~/.config\n' >.agentjail.ini
	fails 125 "commands could write $config/trusted" "$agentjail" trust --yes
}

@test "other hands' files are not believed" {
	works "$agentjail" trust --yes
	chmod o+w "$config/trusted"
	fails 125 "chmod go-w" "$agentjail" show
	chmod o-w "$config/trusted"
	mv "$config/trusted" "$root/elsewhere"
	ln -s "$root/elsewhere" "$config/trusted"
	fails 125 "symbolic link" "$agentjail" show
}

@test "it is for that project alone, and can be taken back" {
	works "$agentjail" trust --yes
	mkdir "$HOME/copy"
	cp .agentjail.ini "$HOME/copy"
	cd "$HOME/copy"
	not_allowed
	works "$agentjail" trust --yes "$HOME/copy"
	allowed
	works "$agentjail" trust --list
	[ "$(wc -l <<<"$output")" = 2 ]
	works "$agentjail" trust --forget
	not_allowed
	cd "$project"
	allowed
	rm -rf "$project/.agentjail.ini"
	works "$agentjail" trust --list
	[ "$output" = "gone       $project" ]
	works "$agentjail" trust --forget "$project"
	works "$agentjail" trust --list
	[ -z "$output" ]
	fails 125 "is not trusted" "$agentjail" trust --forget
	fails 125 "there is no .agentjail.ini" "$agentjail" trust
}

@test "without a terminal nothing is trusted; on one the answer counts" {
	got=0
	"$agentjail" trust >"$root/out" 2>"$root/err" </dev/null || got=$?
	[ "$got" = 125 ]
	grep -q "no terminal to ask on" "$root/err"
	not_allowed
	got=0
	on_terminal 'n\r' || got=$?
	[ "$got" = 1 ]
	not_allowed
	on_terminal '\r' || got=$?
	[ "$got" = 1 ]
	not_allowed
	on_terminal 'y\r'
	allowed
	grep -q "6 + allow = proj.test" "$root/out"
}

@test "a long file does not hide what it loosens from who is asked" {
	seq -f '# %g' 500 >>.agentjail.ini
	works "$agentjail" trust --yes
	has "  506   # 500"
	[ "$(tail -n 4 <<<"$output")" = "2 lines (+) loosen what commands may do, and count only when you trust it:
    4 + write = ~/elsewhere
    6 + allow = proj.test
Trusted, until it changes; agentjail trust --forget takes it back." ]
}

@test "content that cannot be a profile is not trusted" {
	printf '[files]\nwrit = ~/x\n' >.agentjail.ini
	fails 125 "did you mean 'write'" "$agentjail" trust --yes
	printf '[inject x]\nhost = a.test\n' >.agentjail.ini
	got=0
	"$agentjail" trust --yes >"$root/out" 2>"$root/err" || got=$?
	[ "$got" = 125 ]
	[ ! -e "$config/trusted" ]
}

@test "control characters and names of the project do not reach the terminal" {
	evil=$'x\e[2K\xc2\x9b'
	printf '# %s\n[files]\nhide = "./%s"\n' "$(printf 'c\xc2\x9b31m')" b >.agentjail.ini
	mkdir -p "$evil" && touch "$evil/bunfig.toml" opencode.json
	works "$agentjail" trust --yes
	has 'c\xc2\x9b31m'
	has 'x\x1b[2K\xc2\x9b/bunfig.toml  (opencode, '
	has "opencode.json  (opencode, "
	if LC_ALL=C grep -P '[^\x20-\x7e]' <<<"$output"; then return 1; fi
}

@test "wrong uses are said" {
	fails 125 "one DIR at most" "$agentjail" trust a b
	fails 125 "stands alone" "$agentjail" trust --list --yes
	fails 125 "no option of agentjail trust" "$agentjail" trust --json
	fails 125 "did you mean agentjail trust?" "$agentjail" trsut
}
