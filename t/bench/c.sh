#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# c.sh - the C benchmarks, allocator against allocator.
#
#   c.sh [--quick] [--names] [--rounds N] [--seconds S] [--only REGEX] [--alloc LIST] [--list]
#
# For each case every allocator runs once per round, in turn (A B C, A B C, ...), each time in a process of
# its own; the table shows the minimum of the rounds, the ratio to mimalloc, and that peak of resident memory
# which belongs to the fastest run.  Peers that are not installed are left out, and named.
# With --names each allocator is the malloc of the process, by LD_PRELOAD, and is called by that name: so programs
# meet it.  ARN_BENCH_LIB names the library (default: .libs/libarenite.so of the build).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
programs="pairs random transfer threads"
rounds=7 seconds=0.2 only=. list='' names=''
alloc="arenite mimalloc jemalloc tcmalloc glibc"
quick_cases='^pairs (pair|fifo1000)-(16|256|4096|65536)$|^random .*000-(small|mixed)$|^transfer .*-64$|^threads '

while [ $# -gt 0 ]; do
	case $1 in
	--quick) rounds=3 seconds=0.05 only=$quick_cases ;;
	--names) names=1 ;;
	--rounds) rounds=$2; shift ;;
	--seconds) seconds=$2; shift ;;
	--only) only=$2; shift ;;
	--alloc) alloc=${2//,/ }; shift ;;
	--list) list=1 ;;
	*) sed -n '4,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
	shift
done

if [ -z "${ARN_BENCH_LIB:-}" ]; then
	for lib in .libs lib/.libs "$here/../../.libs" "$here/../../lib/.libs" "$here/../../build/.libs"; do
		[ -e "$lib/libarenite.so" ] && ARN_BENCH_LIB=$(cd "$lib" && pwd)/libarenite.so && break
	done
fi
export ARN_BENCH_LIB=${ARN_BENCH_LIB:-libarenite.so}
# Some peers use initial-exec TLS and do not expect dlopen.
export GLIBC_TUNABLES=glibc.rtld.optional_static_tls=65536

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for p in $programs; do
	"${CC:-cc}" -O2 -std=gnu11 -pthread -o "$work/$p" "$here/$p.c" -ldl
	"$work/$p" --list | sed "s/^/$p /" >>"$work/all"
done
grep -E -- "$only" "$work/all" >"$work/cases" || { echo "c.sh: no case matches: $only" >&2; exit 2; }
if [ -n "$list" ]; then
	cat "$work/cases"
	exit 0
fi

# The library that makes an allocator the malloc of a process; nothing: it is that already.
preload_of() { # ALLOCATOR
	case $1 in
	arenite) echo "${ARN_BENCH_LIB%.so}-malloc.so" ;;
	mimalloc) echo libmimalloc.so.2 ;;
	jemalloc) echo libjemalloc.so.2 ;;
	tcmalloc) echo libtcmalloc_minimal.so.4 ;;
	esac
}

# The linker passes over a preload that it does not find: so the process is asked for it.
is_preloaded() { # LIBRARY
	LD_PRELOAD=$1 grep -q "${1%%.so*}" /proc/self/maps 2>/dev/null
}

run() { # PROGRAM ALLOCATOR CASE SECONDS
	local library
	[ -n "$names" ] || { "$work/$1" "$2" "$3" "$4"; return; }
	library=$(preload_of "$2")
	LD_PRELOAD=$library "$work/$1" names "$3" "$4"
}

is_there() { # ALLOCATOR
	local library
	library=$(preload_of "$1")
	if [ -n "$names" ] && [ -n "$library" ] && ! is_preloaded "$library"; then
		echo "bench: $1: $library cannot be preloaded" >&2
		return 1
	fi
	run pairs "$1" pair-16 0
}

there=
for a in $alloc; do
	if is_there "$a" >/dev/null 2>"$work/why"; then
		there="$there $a"
	else
		echo "c.sh: left out: $(tail -n 1 "$work/why")" >&2
	fi
done

while read -r program name; do
	for ((round = 0; round < rounds; round++)); do
		for a in $there; do
			# A run that fails is a result too: the table then says so.
			echo "$program $name $a $(run "$program" "$a" "$name" "$seconds" || echo "failed 0")"
		done
	done
done <"$work/cases" >"$work/runs"

awk -v there="$there" -v names="$names" '
	{ key = $1 " " $2; if (!(key in seen)) { seen[key] = 1; order[++n] = key } }
	$4 == "failed" { bad[key, $3] = 1; failures++; next }
	!((key, $3) in best) || $4 + 0 < best[key, $3] { best[key, $3] = $4 + 0; rss[key, $3] = $5 / 1024 }
	function cell(key, a, base) {
		if ((key, a) in bad)
			return sprintf("%29s", "FAILED")
		base = (key, "mimalloc") in best ? sprintf("%5.2fx", best[key, a] / best[key, "mimalloc"]) : "    - "
		return sprintf("%13.1f %s %7.1fM", best[key, a], base, rss[key, a])
	}
	END {
		m = split(there, name, " ")
		printf "%-26s", names ? "as malloc: ns/op, ratio" : "ns/op, ratio, peak RSS"
		for (i = 1; i <= m; i++) printf "%29s", name[i]
		print ""
		for (k = 1; k <= n; k++) {
			printf "%-26s", order[k]
			for (i = 1; i <= m; i++) {
				printf "%s", cell(order[k], name[i])
				if ((order[k], name[i]) in best && (order[k], "mimalloc") in best) {
					logs[i] += log(best[order[k], name[i]] / best[order[k], "mimalloc"]); cases[i]++
				}
			}
			print ""
		}
		printf "%-26s", "geometric mean"
		for (i = 1; i <= m; i++)
			printf "%19s%10s", cases[i] ? sprintf("%.2fx", exp(logs[i] / cases[i])) : "-", ""
		print ""
		exit failures > 0
	}' "$work/runs"
