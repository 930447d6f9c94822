#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# arenas.sh - what a block costs with 10, 100, 1000 and 4000 arenas: the cases of arenas.c, as a table in ns.
#
#   arenas.sh [REGEX]
#
# Each case runs three times, in a process of its own; the table has the minimum.  It takes address space, and few
# pages.
# ARN_BENCH_LIB names the library (default: lib/.libs/libarenite.so of the build).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
export ARN_BENCH_LIB=${ARN_BENCH_LIB:-$PWD/lib/.libs/libarenite.so}
export GLIBC_TUNABLES=glibc.rtld.optional_static_tls=65536
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${CC:-cc}" -O2 -std=gnu11 -pthread -o "$work/arenas" "$here/arenas.c" -ldl
for name in $("$work/arenas" --list | grep -E -- "${1:-.}"); do
	for _ in 1 2 3; do "$work/arenas" arenite "$name" 0.1; done | sort -n | head -n 1 |
		sed "s/^/${name%-*} ${name##*-} /"
done | awk '
	!($1 in seen) { seen[$1] = 1; name[++rows] = $1 }
	!($2 in column) { column[$2] = 1; arenas[++columns] = $2 }
	{ ns[$1, $2] = $3 }
	END {
		printf "%-12s", "ns, arenas:"
		for (c = 1; c <= columns; c++) printf "%10d", arenas[c]
		print ""
		for (r = 1; r <= rows; r++) {
			printf "%-12s", name[r]
			for (c = 1; c <= columns; c++) printf "%10.0f", ns[name[r], arenas[c]]
			print ""
		}
	}'
