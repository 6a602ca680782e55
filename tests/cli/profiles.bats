#!/usr/bin/env bats
# Proves: a bad profile is refused as a whole, with file, line and what would be right, and nothing
# is run; a good one passes `check`.
load lib.bash
setup() { new_home; }

# refused TEXT PROFILE: by check, and as the user's own profile by everything that would run.
refused() {
	# shellcheck disable=SC2059 # the profile has escapes
	printf "$2" >"$config/agentjail.ini"
	fails 125 "$1" "$agentjail" check "$config/agentjail.ini"
	fails 125 "agentjail.ini:" "$agentjail" sh -c "touch $root/was-run"
	fails 125 "agentjail.ini:" "$agentjail" show
	[ ! -e "$root/was-run" ]
}

@test "an unknown key names line and nearest key" {
	refused ":2: unknown key 'hid' in [files]; did you mean 'hide'?" '[files]\nhid = ~/x\n'
}

@test "a key in the wrong section names the right one" {
	refused "[egress]" '[files]\nallow = example.com\n'
}

@test "an unknown section names the nearest one" {
	refused "did you mean [files]?" '[fils]\nhide = ~/x\n'
}

@test "a duplicate of a single value names the first line" {
	refused ":4: [sandbox] home is set on line 2 already" '[sandbox]\nhome = open\n\nhome = closed\n'
}

@test "an over-long line is refused, never cut" {
	refused "199 is the most" "[files]\nhide = ~/$(printf 'x%.0s' {1..200})\n"
}

@test "a line of exactly 199 bytes is read" {
	printf '[files]\nhide = ~/%s\n' "$(printf 'x%.0s' {1..190})" >p.ini
	works "$agentjail" check p.ini
}

@test "a NUL byte is refused" {
	refused "byte 0x00" '[files]\nhide = ~/x\0y\n'
}

@test "an indented line is refused" {
	refused "indented" '[files]\nhide = ~/x\n  ~/y\n'
}

@test "a comment behind a value is refused" {
	refused "a comment is a line of its own" '[files]\nhide = ~/x ;y\n'
}

@test "a wrong value names the valid ones" {
	refused "closed" '[sandbox]\nhome = shut\n'
}

@test "what nothing enforces yet is refused, not ignored" {
	refused "not supported" '[egress]\nask = a.test\n'
	refused "not supported" '[tool x]\ncommand = date\nask = yes\n'
}

@test "a profile that others can write is refused" {
	printf '[files]\nhide = ~/x\n' >"$config/agentjail.ini"
	chmod 666 "$config/agentjail.ini"
	fails 125 "chmod" "$agentjail" sh -c true
	fails 125 "chmod" "$agentjail" check "$config/agentjail.ini"
}

@test "a profile that cannot be read is refused" {
	printf '[files]\nhide = ~/x\n' >"$config/agentjail.ini"
	chmod 000 "$config/agentjail.ini"
	if [ "$(id -u)" = 0 ]; then
		rm "$config/agentjail.ini" && mkdir "$config/agentjail.ini"
	fi
	fails 125 "agentjail.ini" "$agentjail" sh -c true
}

@test "a profile named with -p must be there" {
	fails 125 "nowhere.ini" "$agentjail" -p ./nowhere.ini sh
	fails 125 "nowhere" "$agentjail" -p nowhere sh
}

@test "check goes on after a bad file and fails in the end" {
	printf '[files]\nhide = ~/x\n' >good.ini
	printf '[files]\nhid = ~/x\n' >bad.ini
	run --separate-stderr "$agentjail" check bad.ini good.ini
	[ "$status" = 125 ]
	[ "$output" = "good.ini: ok" ]
	[ "${#stderr_lines[@]}" = 1 ]
	fails 125 "no FILE given" "$agentjail" check
}

@test "the profiles that come with agentjail are valid" {
	works "$agentjail" check "$top"/profiles/*.ini
	has "default.ini: ok"
}
