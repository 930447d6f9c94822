#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# scale.sh - scale.c with each allocator that is there: millions of operations in a second, of all threads together.
#
#   scale.sh [--rounds N] [--seconds S] [--only REGEX] [--alloc LIST] [LIBRARY]
#
# Each round runs every allocator once (A B C, A B C, ...); the table shows the best of the rounds.  It needs a C
# compiler and this folder, and LIBRARY: libarenite.so, by default that of the build.  With the default of 3 rounds of
# half a second it takes about 3 minutes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
rounds=3 seconds=0.5 only=. alloc="arenite mimalloc jemalloc tcmalloc glibc"
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2; shift ;;
	--seconds) seconds=$2; shift ;;
	--only) only=$2; shift ;;
	--alloc) alloc=${2//,/ }; shift ;;
	-*) sed -n '4,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	*) ARN_BENCH_LIB=$1 ;;
	esac
	shift
done
for lib in lib/.libs "$here/../../lib/.libs" "$here/../../build/lib/.libs"; do
	[ -n "${ARN_BENCH_LIB:-}" ] || [ ! -e "$lib/libarenite.so" ] || ARN_BENCH_LIB=$lib/libarenite.so
done
ARN_BENCH_LIB=$(cd "$(dirname "${ARN_BENCH_LIB:-.}")" && pwd)/libarenite.so
export ARN_BENCH_LIB GLIBC_TUNABLES=glibc.rtld.optional_static_tls=65536

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${CC:-cc}" -O2 -std=gnu11 -pthread -o "$work/scale" "$here/scale.c" -ldl
"$work/scale" --list | grep -E -- "$only" >"$work/cases" || { echo "scale.sh: no case matches: $only" >&2; exit 2; }

there=
for a in $alloc; do
	if "$work/scale" "$a" small-1 0.01 >/dev/null 2>"$work/why"; then
		there="$there $a"
	else
		echo "scale.sh: left out: $(tail -n 1 "$work/why")" >&2
	fi
done

echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors," \
	"load $(cut -d ' ' -f 1-3 /proc/loadavg)"
for ((round = 0; round < rounds; round++)); do
	while read -r name; do
		for a in $there; do
			echo "$name $a $("$work/scale" "$a" "$name" "$seconds" || echo failed)"
		done
	done <"$work/cases"
done >"$work/runs"

awk -v there="$there" '
	!($1 in seen) { seen[$1] = 1; order[++n] = $1 }
	$3 != "failed" && (!(($1, $2) in best) || $3 < best[$1, $2]) { best[$1, $2] = $3 }
	END {
		m = split(there, name, " ")
		printf "%-12s", "M/s"
		for (i = 1; i <= m; i++) printf "%11s", name[i]
		print ""
		for (k = 1; k <= n; k++) {
			printf "%-12s", order[k]
			for (i = 1; i <= m; i++)
				printf "%11s", (order[k], name[i]) in best ? \
					sprintf("%.3f", 1000 / best[order[k], name[i]]) : "failed"
			print ""
		}
	}' "$work/runs"
