#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Layers: a file of lib/ includes headers of its own layer or of those before it, foreign headers come in at one
# place each.  A new module goes into the table here.
set -u
: "${top_srcdir:=.}"
# shellcheck source=t/tap.sh
. "$top_srcdir/t/tap.sh"

# One layer a line.  A module is a file's name up to the first dash: reclaim-urcu.c belongs to reclaim.
layers='
base
atomic panic
sizeclass os mark option raw owner
meta reclaim registry stack
arena pool purge retain retire
heap family remote thread cache guard sweep limbo large
visit stats trim explain tend
process
alloc
domain
python graft cli stress
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

none "nothing includes from a layer above" violations "$top_srcdir/lib"
same "ck comes in at one place" "stack.h " "$(files_with '# *include <ck_')"
same "liburcu comes in at one place" "reclaim-urcu.c " "$(files_with '# *include <urcu')"
same "the graft sees the public header only" "#include <arenite/arenite.h>" \
	"$(grep -hoE '# *include <arenite/[^>]*>' "$top_srcdir"/lib/graft/* | sort -u)"
same "lib/python sees public headers, of the core the fast paths and ARENITE_DISABLE" \
	"alloc.h atomic.h base.h process.h thread.h " \
	"$(cd "$top_srcdir/lib/python" && grep -ho '^#include "[^"]*"' -- *.[ch] | sort -u | while read -r _ header; do
		header=${header//\"/}
		[ -e "$header" ] || echo "$header"
	done | tr '\n' ' ')"
same "the public header includes nothing of ours" 0 "$(grep -c '#include "' "$top_srcdir/include/arenite/arenite.h")"

# The test itself: a pool that looks at statistics, and a file that nobody has placed.
printf '#include "base.h"\n#include "stats.h"\n' >"$work/pool.c"
printf '#include "base.h"\n' >"$work/novelty.h"
same "an upward include and a module without a place are found" \
	"novelty.h: in no layer;pool.c includes stats.h, of a layer above;" "$(violations "$work" | tr '\n' ';')"
done_testing
