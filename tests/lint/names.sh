#!/bin/sh
# foo.c exports foo_* only, so that a name tells where to look: foo is the file's first word, its
# folder, or a header of that folder.
# usage: names.sh [OBJECT-DIRECTORY]    default: build/obj
cd "$(dirname "$0")/../.." || exit 1
objects=${1:-build/obj}
failed=0
if [ ! -d "$objects/cli" ]; then
	echo "names.sh: no objects in $objects: make first"
	exit 1
fi

# Names of other forms: main; base/buf.c has the strings and write_all(); place_ is what agent and
# cell have in common, in cell/cell.c.
others='^(main$|str_|write_all$|place_|shim_blob|net_blob)'

for source in src/*/*.c; do
	object=$objects/${source#src/}
	object=${object%.c}.o
	[ -e "$object" ] || continue
	folder=${source%/*} file=${source##*/}
	prefixes="${file%%[_.]*}|${folder##*/}"
	for header in "$folder"/*.h; do
		file=${header##*/}
		prefixes="$prefixes|${file%.h}"
	done
	if nm --defined-only -g "$object" | awk '$2 ~ /[TDBRV]/ { print $3 }' |
		grep -vE "$others|^($prefixes)(_|$)" | sed "s#^#names.sh: $source exports #" | grep .; then
		failed=1
	fi
done
exit $failed
