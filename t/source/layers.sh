#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Folders are layers: a file of lib/ includes headers, and calls functions, of its own folder or of those below it.  In
# a folder of the core no files go round in a circle.  Foreign headers come in at one place each.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"

# The folders of lib/, from the lowest to the highest.  This is the only list of them.
folders='base os arena heap profile api malloc python graft stress cli'
core='base os arena heap profile api'

# Both lists of uses have lines "FOLDER/MODULE FOLDER/MODULE WHAT".  A module is a file's name up to the first dash:
# reclaim-urcu.c belongs to reclaim.
modules() {
	sed -E 's/^([^ ]*\/[^-. ]+)[^ ]* ([^ ]*\/[^-. ]+)[^ ]*/\1 \2/'
}

# Who includes what.  The graft's files lie in CPython's tree when they are compiled.
includes() { # DIRECTORY
	(cd "$1" && grep -Ho '^#include "[^"]*"' -- */*.[ch]) | grep -v '^graft/' | sed 's/:#include "\(.*\)"/ \1/' |
		awk '{ print $1, ($2 ~ /\//) ? $2 : "./" $2, "include" }' | modules
}

# Who calls what, or uses its data: what an object lacks is looked for in the others.  The names of libarenite-malloc
# are those of the C library, which any file may call.
of_libc=$(sed -n 's/^\t\t\([A-Za-z_0-9]*\);$/\1/p' "$top_srcdir/lib/arenite-malloc.map" | tr '\n' ' ')
calls() { # DIRECTORY
	# automake writes the library's name before that of a file with flags of its own
	(cd "$1" && nm -A -- */*.o) 2>/dev/null | sed -E 's/^([a-z]+\/)(arenite|lib[a-z_]+_la)-/\1/' |
		awk -v sources="${2:-$1}" -v of_libc="$of_libc" '
		BEGIN { n = split(of_libc, word, " "); for (i = 1; i <= n; i++) foreign[word[i]]; n = 0 }
		{
			file = $1; sub(/\.o:.*/, "", file); name = $NF; kind = $(NF - 1)
			# an object of an earlier build, whose source is gone
			if (!(file in is_there)) is_there[file] = system("test -e \"" sources "/" file ".c\"") == 0
			if (!is_there[file]) next
		}
		name in foreign { next }
		kind == "U" { lacks[++n] = file " " name; next }
		kind ~ /[TDBRC]/ { home[name] = file }
		END {
			for (i = 1; i <= n; i++) {
				split(lacks[i], word, " ")
				if (word[2] in home) print word[1], home[word[2]], word[2]
			}
		}' | modules
}

# Uses that run upwards, and folders without a place; uses come in as lines.
upwards() {
	awk -v folders="$folders" '
		BEGIN { n = split(folders, name, " "); for (i = 1; i <= n; i++) floor[name[i]] = i }
		function folder(module) { sub(/\/.*/, "", module); return module }
		{
			from = folder($1); to = folder($2)
			if (to == "arenite") next
			if (!(from in floor)) print from ": in no layer"
			else if (!(to in floor)) print $1 " uses " $2 ", which is in no layer"
			else if (floor[to] > floor[from]) print $1 " uses " $2 ", which is above: " $3
		}' | sort -u
}

# Modules of one folder that go round in a circle: whoever uses none of the others, or is used by
# none, is taken away, again and again.
circles() {
	awk -v core="$core" '
		BEGIN { n = split(core, name, " "); for (i = 1; i <= n; i++) in_core[name[i]] }
		function folder(module) { sub(/\/.*/, "", module); return module }
		$1 != $2 && folder($1) == folder($2) && folder($1) in in_core { uses[$1, $2] = $3; from[$1]; from[$2] }
		END {
			do {
				taken = 0
				for (module in from) {
					uses_some = is_used = 0
					for (pair in uses) {
						split(pair, end, SUBSEP)
						uses_some += end[1] == module
						is_used += end[2] == module
					}
					if (uses_some && is_used) continue
					for (pair in uses) {
						split(pair, end, SUBSEP)
						if (end[1] == module || end[2] == module) delete uses[pair]
					}
					delete from[module]
					taken = 1
				}
			} while (taken)
			for (pair in uses) { split(pair, end, SUBSEP); print end[1] " -> " end[2] ": " uses[pair] }
		}' | sort
}

# Files that match, as one line.
files_with() { # PATTERN
	(cd "$top_srcdir/lib" && grep -lE "$1" -- */*.[ch] | tr '\n' ' ')
}

# What a folder includes of others, each once.
foreign() { # FOLDER
	(cd "$top_srcdir/lib/$1" && grep -ho '^#include "[^"]*"' -- *.[ch]) | sed 's/.*"\(.*\)"/\1/' |
		grep -v "^$1/" | sort -u | tr '\n' ' '
}

includes "$top_srcdir/lib" >"$work/includes"
calls "$top_builddir/lib" "$top_srcdir/lib" >"$work/calls"
ok "there are includes and calls to look at" \
	test "$(wc -l <"$work/includes")" -gt 100 -a "$(wc -l <"$work/calls")" -gt 100
none "no include runs upwards" upwards <"$work/includes"
none "no call runs upwards" upwards <"$work/calls"
none "no files of the core include each other in a circle" circles <"$work/includes"
none "no files of the core call each other in a circle" circles <"$work/calls"
same "ck comes in at one place" "base/stack.h " "$(files_with '# *include <ck_')"
same "liburcu comes in where it is used" "arena/reclaim-urcu.c profile/lookup.c " "$(files_with '# *include <urcu')"
same "sys/sdt.h comes in at one place" "base/usdt.h " "$(files_with '# *include <sys/sdt')"
same "the graft sees the public header only" "#include <arenite/arenite.h>" \
	"$(grep -hoE '# *include <arenite/[^>]*>' "$top_srcdir"/lib/graft/* | sort -u)"
# Of the core it sees the fast paths, ARENITE_DISABLE, and what counts CPython's own heaps when memory is short.
same "lib/python sees public headers, and little of the core" \
	"api/alloc.h api/collect.h api/process.h api/shortage.h base/arch.h base/atomic.h base/base.h base/stack.h \
base/table.h heap/thread.h " \
	"$(foreign python)"
same "lib/malloc sees of the core the fast paths, and whether it is to serve" \
	"api/alloc.h api/process.h base/atomic.h base/base.h heap/thread.h " "$(foreign malloc)"
same "the public header includes nothing of ours" 0 "$(grep -c '#include "' "$top_srcdir/include/arenite/arenite.h")"

# The test itself: a pool that looks at statistics, a folder that nobody has placed, two files in a circle.
mkdir -p "$work"/sample/{arena,novelty,heap}
printf '#include "api/stats.h"\n' >"$work/sample/arena/pool.c"
printf '#include "base/base.h"\n' >"$work/sample/novelty/one.h"
printf '#include "heap/two.h"\n' >"$work/sample/heap/one.c"
printf '#include "heap/one.h"\n' >"$work/sample/heap/two.c"
includes "$work/sample" >"$work/includes"
same "an upward include and a folder without a place are found" \
	"arena/pool uses api/stats, which is above: include;novelty: in no layer;" \
	"$(upwards <"$work/includes" | tr '\n' ';')"
same "a circle is found" "heap/one -> heap/two: include;heap/two -> heap/one: include;" \
	"$(circles <"$work/includes" | tr '\n' ';')"
cat >"$work/sample/arena/pool.c" <<'END'
extern void upper(void);
void lower(void) { upper(); }
END
echo 'void upper(void) { }' >"$work/sample/heap/one.c"
(cd "$work/sample" && for file in arena/pool heap/one; do ${CC:-cc} -c -o $file.o $file.c || exit 1; done)
same "an upward call is found" "arena/pool uses heap/one, which is above: upper" \
	"$(calls "$work/sample" | upwards)"
done_testing
