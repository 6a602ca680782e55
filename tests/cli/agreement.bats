#!/usr/bin/env bats
# Proves: --help, the manual page, the completions and README.md name exactly the options, verbs
# and keys that the program has.
load lib.bash

table() { "$agentjail" @options | awk -F '\t' -v kind="$1" '$1 == kind { print $2 }' | sort; }
now() { "$agentjail" @options | awk -F '\t' '$1 == "option" && $5 == "now" { print $2 }' | sort; }

# same WHAT < LIST: the list on standard input is the table's.
same() {
	diff -u --label "table of the program" --label "$1" - <(sort -u) <<<"$want"
}

@test "--help lists every option and verb" {
	want=$(table option)
	"$agentjail" --help | grep -oE '^  (-[a-z], |    )--[a-z]+' | sed 's/.*--//' | same "--help"
	want=$(table verb)
	"$agentjail" --help | sed -n 's/^  agentjail \([a-z][a-z]*\).*/\1/p' | same "--help"
}

@test "the manual page describes every option" {
	want=$(table option)
	sed -n '/^\.Sh OPTIONS/,/^\.Sh VERBS/s/^\.It .*Fl Fl \([a-z]*\).*/\1/p' "$top/agentjail.1" |
		same agentjail.1
}

@test "the manual page describes every verb" {
	want=$(table verb)
	sed -n '/^\.Sh VERBS/,/^\.Sh PROFILES/s/^\.It Ic \([a-z]*\).*/\1/p' "$top/agentjail.1" |
		same agentjail.1
}

@test "the manual page describes every key, and says which are not supported yet" {
	want=$("$agentjail" @options | awk -F '\t' '$1 == "key" { print $2, $3 }' | sort)
	awk '/^\.(It|El|Ss|Sh)/ { if (key) print key, later ? "later" : "now"; key = "" }
		/^\.It Va / { key = $3; later = 0 }
		/not supported yet/ { later = 1 }' "$top/agentjail.1" | same agentjail.1
}

@test "the manual page has no letters that the program lacks" {
	want=$("$agentjail" @options | awk -F '\t' '$1 == "option" && $3 != "-" { print $3 }' | sort)
	sed -n '/^\.Sh OPTIONS/,/^\.Sh VERBS/s/^\.It Fl \([a-z]\) .*/\1/p' "$top/agentjail.1" |
		same agentjail.1
}

@test "bash completes every option and verb" {
	want=$(now | sed 's/^/--/')
	# shellcheck disable=SC1091,SC2154
	bash -c '. "$1"; COMP_WORDS=(agentjail --); COMP_CWORD=1; _agentjail
		printf "%s\n" "${COMPREPLY[@]}"' - "$top/completions/agentjail.bash" | same bash
	want=$("$agentjail" @options | awk -F '\t' '$1 == "verb" && $3 == "now" { print $2 }' | sort)
	bash -c '. "$1"; compgen() { builtin compgen "${@/-c/-W }"; }
		COMP_WORDS=(agentjail ""); COMP_CWORD=1; _agentjail
		printf "%s\n" "${COMPREPLY[@]}"' - "$top/completions/agentjail.bash" |
		grep -xE "$(table verb | paste -sd'|')" | same bash
}

@test "zsh has every option and verb" {
	want=$(now)
	grep -oE -- "--[a-z]+" "$top/completions/_agentjail" | sed 's/--//' | same zsh
	want=$("$agentjail" @options | awk -F '\t' '$1 == "verb" && $3 == "now" { print $2 }' | sort)
	sed -n "s/^\t'\([a-z]*\):.*/\1/p" "$top/completions/_agentjail" | same zsh
	command -v zsh >/dev/null || skip "no zsh"
	zsh -n "$top/completions/_agentjail"
}

@test "fish has every option and verb" {
	want=$(now)
	grep '^complete ' "$top/completions/agentjail.fish" | grep -oE -- "-l [a-z]+" | sed 's/-l //' | same fish
	want=$("$agentjail" @options | awk -F '\t' '$1 == "verb" && $3 == "now" { print $2 }' | sort)
	grep -oE -- "-a [a-z]+ " "$top/completions/agentjail.fish" | sed 's/-a //; s/ //' | same fish
	command -v fish >/dev/null || skip "no fish"
	fish -n "$top/completions/agentjail.fish"
}

@test "README.md names no option or verb that the program lacks" {
	want=$({ table option && echo; } | sort -u)
	{ grep -oE -- '--[a-z]+' "$top/README.md" | sed 's/--//' && table option && echo; } | same README.md
	want=$({ table verb && echo; } | sort -u)
	{ sed -n 's/^agentjail \([a-z]*\) .*#.*/\1/p' "$top/README.md" | grep -vxE 'claude|codex|pi|gemini' &&
		table verb && echo; } | same README.md
}

@test "the manual page is well formed" {
	command -v mandoc >/dev/null || skip "no mandoc"
	run mandoc -Tlint -Wwarning "$top/agentjail.1"
	[ -z "$output" ]
}
