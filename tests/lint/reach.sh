#!/bin/sh
# Every file is reached by something: sources by the Makefile, headers by an include, profiles,
# scripts and documents by a test, the Makefile or a link. What nothing reaches is dead.
cd "$(dirname "$0")/../.." || exit 1
failed=0
lost() { echo "reach.sh: nothing reaches $1" && failed=1; }

for header in $(find src -name '*.h' | sort); do
	grep -rqF "\"${header#src/}\"" src tests Makefile || grep -qF "$header" Makefile || lost "$header"
done
for file in $(find tests -type f ! -path 'tests/unit/*.c' ! -path '*/node_modules/*' | sort); do
	name=${file##*/}
	case $file in
	tests/cli/*.bats | tests/lint/*.sh | tests/workflows/* | tests/fuzz/*.c | tests/fuzz/corpus/*) continue ;;
	esac
	case $file in
	*.py) grep -rqE --include='*.py' "^(import|from) ${name%.py}( |\$)" "${file%/*}" && continue ;;
	esac
	grep -rqF --exclude="$name" -- "$name" tests Makefile .ci .github README.md ||
		grep -qE "^(attack|storm)" <<-NAME || lost "$file"
			$name
		NAME
done
exit $failed
