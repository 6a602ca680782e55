#!/bin/sh
# Includes go one way: base <- wire <- policy <- {cli, warden, cell, helper, proxy, keeper}, and
# these six never include each other. main.c and main_net.c include what they start; the shim only wire.
cd "$(dirname "$0")/../.." || exit 1
grep -rnE '^#include "' src --include='*.[chS]' | awk -F '[/:"]' '
	BEGIN {
		may["base"] = " base "
		may["wire"] = " base wire "
		may["policy"] = " base wire policy "
		may["shim"] = " shim wire base "
		split("cli warden cell helper proxy keeper", six, " ")
		for (i in six) may[six[i]] = " base wire policy " six[i] " "
		may["warden"] = may["warden"] "shim "; may["cell"] = may["cell"] "shim "
		may["main.c"] = " base wire policy cli warden cell helper keeper "
		may["main_net.c"] = " base wire policy proxy keeper "
	}
	{ from = $2; split($0, part, "\""); split(part[2], to, "/") }
	to[1] ~ /\.h$/ { next } # generated: seccomp_blob.h
	index(may[from], " " to[1] " ") == 0 { print "includes.sh: against the direction: " $0; bad = 1 }
	END { exit bad }'
