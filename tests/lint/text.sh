#!/bin/sh
# Text files: no blanks at line ends, a final line end, no merge marks, no notes to do later; C and
# Makefile are indented with tabs.
cd "$(dirname "$0")/../.." || exit 1
failed=0
files=$(find src tests profiles completions .ci .github Makefile README.md agentjail.1 \
	-type f ! -name '*.bin' ! -path '*/corpus/*' | sort)
for file in $files; do
	grep -nHE '[[:blank:]]+$|^(<<<<<<<|>>>>>>>) |(TO''DO|FIX''ME|XX''X)([^X]|$)' "$file" |
		grep -v 'XXXXXX' && failed=1
	[ -z "$(tail -c 1 "$file")" ] || { echo "text.sh: $file: no final line end" && failed=1; }
done
find src tests -name '*.[ch]' -exec grep -nHE '^ {8} *[^ \\]' {} + && failed=1
exit $failed
