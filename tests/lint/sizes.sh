#!/bin/sh
# Files have at most 600 lines and functions at most 60. (Columns are clang-format's.)
cd "$(dirname "$0")/../.." || exit 1
# shellcheck disable=SC2016 # the program is awk's
find src tests -name '*.[ch]' | sort | xargs awk '
	function bad(what) { print "sizes.sh: " FILENAME ":" FNR ": " what; failed = 1 }
	FNR == 1 { start = 0 }
	FNR == 601 { bad("the file is too long") }
	/^\{/ { start = FNR }
	/^\}/ && start {
		if (FNR - start - 1 > 60) bad("a function of " FNR - start - 1 " lines")
		start = 0
	}
	END { exit failed }'
