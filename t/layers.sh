#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Layers: a file of lib/ includes headers of its own layer or of those before it, foreign headers come in at one
# place each.  A new module goes into the table here.
set -u
: "${top_srcdir:=.}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0

# One layer a line.  A module is a file's name up to the first dash: reclaim-urcu.c belongs to reclaim.
layers='
base
atomic panic
sizeclass os option raw
meta reclaim registry stack
arena pool purge retain retire
heap family remote thread cache large guard sweep limbo
visit stats trim explain
process
alloc
domain
python graft malloc cli stress
'

# Lines "file:header" that break the rule, in the directory given.
violations() { # DIRECTORY
	grep -Ho '^#include "[^"]*"' "$1"/*.c "$1"/*.h | sed 's/.*\/\([^/]*\):#include "\(.*\)"/\1 \2/' |
		awk -v layers="$layers" '
		BEGIN {
			count = split(layers, line, "\n")
			for (i = 1; i <= count; i++) {
				m = split(line[i], word, " ")
				for (k = 1; k <= m; k++) layer[word[k]] = i
			}
		}
		function module(file) { sub(/^.*\//, "", file); sub(/[-.].*$/, "", file); return file }
		{
			from = module($1); to = module($2)
			if ($2 ~ /^arenite\//) next
			if (!(from in layer)) print $1 ": in no layer"
			else if (!(to in layer)) print $1 " includes " $2 ", which is in no layer"
			else if (layer[to] > layer[from]) print $1 " includes " $2 ", of a layer above"
		}' | sort -u
}

# Files that match, as one line, without their directory.
files_with() { # PATTERN
	(cd "$top_srcdir/lib" && grep -lE "$1" -- *.c *.h graft/* | tr '\n' ' ')
}

is() { # DESCRIPTION IS WANTED
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n - $1"
	else
		failed=1
		echo "not ok $n - $1"
		printf '%s\n' "is: $2" "wanted: $3" | sed 's/^/# /'
	fi
}

is "nothing includes from a layer above" "$(violations "$top_srcdir/lib")" ""
is "ck comes in at one place" "$(files_with '# *include <ck_')" "stack.h "
is "liburcu comes in at one place" "$(files_with '# *include <urcu')" "reclaim-urcu.c "
is "the graft sees the public header only" \
	"$(grep -hoE '# *include <arenite/[^>]*>' "$top_srcdir"/lib/graft/* | sort -u)" "#include <arenite/arenite.h>"
is "lib/python sees public headers, and of the core the fast paths" \
	"$(cd "$top_srcdir/lib/python" && grep -ho '^#include "[^"]*"' -- *.[ch] | sort -u | while read -r _ header; do
		header=${header//\"/}
		[ -e "$header" ] || echo "$header"
	done | tr '\n' ' ')" "alloc.h atomic.h base.h thread.h "
is "the public header includes nothing of ours" "$(grep -c '#include "' "$top_srcdir/include/arenite/arenite.h")" 0

# The test itself: a pool that looks at statistics, and a file that nobody has placed.
printf '#include "base.h"\n#include "stats.h"\n' >"$work/pool.c"
printf '#include "base.h"\n' >"$work/novelty.h"
is "an upward include and a module without a place are found" "$(violations "$work" | tr '\n' ';')" \
	"novelty.h: in no layer;pool.c includes stats.h, of a layer above;"
echo "1..$n"
exit $failed
