#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What stays resident: the programs of t/memory against their bounds.  A comment before each line has the numbers.
#
#   t/memory/memory.sh [--full] [--alloc NAME] [PROGRAM...]
#
# --full    all rounds, ten seconds of idling, and the time of loops (minutes); else what takes seconds
# --alloc   another allocator of t/bench/bench.h, to compare with; of its own statistics it has none
# PROGRAM   only idle, loop, rounds or flow
# ARN_BENCH_LIB names the library, as for the benchmarks.
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
here=$top_srcdir/t/memory
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
full='' alloc=arenite only=''
export ARN_BENCH_LIB=${ARN_BENCH_LIB:-$top_builddir/lib/.libs/libarenite.so}
# Some peers use initial-exec TLS and do not expect dlopen.
export GLIBC_TUNABLES=glibc.rtld.optional_static_tls=65536

while [ $# -gt 0 ]; do
	case $1 in
	--full) full=1 ;;
	--alloc) alloc=$2; shift ;;
	idle | loop | rounds | flow) only="$only $1" ;;
	*) sed -n '6,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
	shift
done
[ -z "${SANITIZE_FLAGS:-}" ] || skip_all "a sanitizer's own memory is resident too"
export MEMORY_IDLE=${MEMORY_IDLE:-${full:+10}}
: "${MEMORY_IDLE:=0.2}"

wanted() { # PROGRAM
	case "${only:-" $1"} " in *" $1 "*) return 0 ;; esac
	return 1
}

build() { # PROGRAM
	${CC:-cc} -O2 -std=gnu11 -pthread -I"$top_srcdir/include" -o "$work/$1" "$here/$1.c" -ldl || exit 1
}

# The metrics of a run stand in $work/out until the next one.
measure() { # PROGRAM CASE SCALE
	if timeout 900 "$work/$1" "$alloc" "$2" "$3" >"$work/out" 2>"$work/err"; then
		return 0
	fi
	result 1 "$1 $2: it ran"
	return 1
}

show() { # METRIC
	awk -v name="$1" '$1 == name { printf "# %s %.1f\n", name, $2 }' "$work/out"
}

value() { # METRIC
	awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }' "$work/out"
}

# The expression: numbers, also in KiB and MiB, and other metrics, with + and *, done from left to right.
bound() { # METRIC "<= EXPRESSION" DESCRIPTION
	awk -v name="$1" -v what="$3" -v bound="$2" '
		{ metric[$1] = $2 }
		function number(word, unit) {
			if (word in metric) return metric[word]
			unit = word ~ /MiB$/ ? 1048576 : word ~ /KiB$/ ? 1024 : 1
			return word * unit
		}
		END {
			split(bound, word, " ")
			limit = number(word[2])
			for (i = 3; i in word; i += 2)
				limit = word[i] == "*" ? limit * number(word[i + 1]) : limit + number(word[i + 1])
			good = name in metric && (word[1] == "<=" ? metric[name] <= limit : metric[name] >= limit)
			printf "# %s: %s %.*f, bound %s %.*f\n", what, name, metric[name] < 10 ? 2 : 0, metric[name],
				word[1], limit < 10 ? 2 : 0, limit
			exit !good
		}' "$work/out"
	result $? "$3"
}

# ---- blocks of which few stay
idle() {
	local how least
	for how in every lot; do
		measure idle "$how" 1 || continue
		# chosen by lot, what stays lies on more pages: 81 % could go back at best
		least=75
		[ "$how" = every ] || least=73
		bound returned_at_once ">= $least" "one of twenty stays ($how): at least $least % of the peak go back"
		bound returned_idle ">= $least" "one of twenty stays ($how): and are not there after idling"
	done
}

# ---- threads, 200 rounds
rounds() {
	local scale=${full:+1}
	: "${scale:=0.25}"
	if measure rounds executor "$scale"; then
		bound rss "<= live * 2" "workers build, the main thread frees: twice what is live, at most"
		bound rss_rise "<= 128KiB" "workers build, the main thread frees: nothing grows"
		bound space_rise "<= 0" "workers build, the main thread frees: no more address space"
	fi
	if measure rounds short "$scale"; then
		bound rss "<= live + 8MiB" "short threads: what they left, and 8 MiB"
		# which heap a thread gets is chance: the level swings by 2 MiB
		[ -z "$full" ] || bound rss_rise "<= 2MiB" "short threads: nothing grows"
		bound space_rise "<= 0" "short threads: no more address space"
	fi
	if measure rounds left "$scale"; then
		bound rss_block "<= 1200" "short threads: a block of 736 bytes that stays costs no more than 1200"
	fi
	if measure rounds fork "$scale"; then
		bound child_rss "<= rss + 4MiB" "a storm of forks: a child holds what its parent does, and 4 MiB"
		bound child_rise "<= 512KiB" "a storm of forks: the children do not grow"
		bound rss_rise "<= 512KiB" "a storm of forks: nor does the parent"
		bound space_rise "<= 0" "a storm of forks: no more address space"
	fi
}

# ---- some make, another one frees
flow() {
	local scale=${full:+1}
	: "${scale:=0.2}"
	if measure flow fixed "$scale"; then
		bound rss_ratio "<= 1.2" "16 producers, one thread that only frees: 1.2 of what is live, at most"
		bound rss_rise "<= 1MiB" "16 producers, one thread that only frees: nothing grows"
	fi
	if measure flow outrun 1; then
		bound peak_ratio "<= 1.25" "three threads outrun the one that frees: a peak of 1.25 of the most live"
		# the limit, and our own records
		bound rss_after "<= 16MiB" "three threads outrun the one that frees: at the end 16 MiB stay"
	fi
	[ "$alloc" = arenite ] || return 0
	if measure flow logger "$scale"; then
		bound rounds_wrong "<= 0" "some make, another one frees: live blocks and bytes are reported exactly"
	fi
}

# ---- the same gigabyte again and again, against a run that keeps all of it; the fastest of runs that take turns
lap() { # RETAIN CASE SCALE
	ARENITE_RETAIN=$1 measure loop "$2" "$3" && value lap >>"$work/$1" && value faults_again >"$work/$1.again"
}

loop() {
	local mix spare again scale=${full:+1} turns=${full:+3} default
	: "${scale:=0.1}" "${turns:=1}"
	default=$("$top_builddir/arenite" options 2>/dev/null | sed -n 's/^ARENITE_RETAIN=\([^ ]*\).*/\1/p')
	for mix in small large huge mixed saw; do
		export MEMORY_LAPS=${full:+40}
		: "${MEMORY_LAPS:=6}"
		rm -f "$work/64T" "$work/${default:=8M}"
		for ((turn = 0; turn < turns; turn++)); do
			export MEMORY_LATER=0
			lap 64T "$mix" "$scale" || return
			# T(credit) of a hundred MiB is three seconds (lib/arena/retain.h)
			[ -n "$full" ] || [ "$mix" != small ] || MEMORY_LATER=6
			[ -z "$full" ] || ((turn < turns - 1)) || MEMORY_LATER=15
			lap "$default" "$mix" "$scale" || return
		done
		# $work/out is that of the last run, with the default
		show trough
		# freed in no order, each block that a cache holds has a page of its own
		spare=12MiB
		[ "$mix" != mixed ] || spare=24MiB
		# what falls free at once is less than what ends the first credit
		[ "$mix" != saw ] || [ -n "$full" ] || spare=28MiB
		bound trough_first "<= live * 0.1 + $spare" "the same gigabyte ($mix): little stays after the first lap"
		# once, as t/unit/credit.c shows; more often where others have so much of the processor that laps take
		# long, and of huge blocks there are so few that no lap has the sizes of the one before
		again=${full:+2.25}
		[ "$mix" != huge ] || again=${full:+4}
		echo "kept_again $(cat "$work/64T.again")" >>"$work/out"
		bound faults_again "<= faults_first * ${again:-3.5} + kept_again" \
			"the same gigabyte ($mix): it soon stays"
		[ "${MEMORY_LATER:-5}" = 0 ] ||
			bound later "<= live * 0.1 + $spare + 4MiB" "the same gigabyte ($mix): little stays in the end"
		[ -n "$full" ] || continue
		echo "ratio $(sort -g "$work/$default" | head -n 1) $(sort -g "$work/64T" | head -n 1)" |
			awk '{ print "ratio", $2 / $3 }' >>"$work/out"
		bound ratio "<= 1.05" "the same gigabyte ($mix): 1.05 of the time with everything kept, at most"
	done
}

for program in idle rounds flow loop; do
	if wanted "$program"; then
		build "$program"
		"$program"
	fi
done
done_testing
