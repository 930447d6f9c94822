#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# price.sh - what it costs to give memory back, and what stays resident for it.
#
#   price.sh [--rounds N] [--scale S] [--only REGEX] NAME=COMMAND...
#   price.sh --c [--rounds N] [--scale S] [--only REGEX] [--alloc NAME,...]
#   price.sh --list
#   price.sh [--check] [NAME=COMMAND...]
#
# NAME=COMMAND   an interpreter, or a command of several words: stock=python3.14t preload="arenite run python3.14t".
#                The first is what the others are compared with.  Each of the others also runs as NAME-kept, with
#                ARENITE_RETAIN=1T, so that everything is kept.
# --c            the programs in C: with Arenite, with Arenite that keeps everything, and with other allocators of
#                t/bench/bench.h.  ARN_BENCH_LIB names the library, as for the benchmarks.
# --check        the bounds, in TAP: short forms of the programs in C, and those in Python where interpreters are
#                named here or by PYTHON_STOCK.  This is also what happens without any word.
#
# The programs are those of price.py, price.c and price-once.c.  Each run is a process of its own, and the columns
# take turns: A B A B.  CPU is user and system time; of each lap the round with the least counts.  Faults, calls and
# what they gave are the mean of the rounds.  `price` is what the faults and calls that the same with everything kept
# does not have cost, at 2 us a page and 5 us a call, in percent of its CPU time: it does not depend on load.  After the
# peak is its ratio to that of the first column.  PRICE_LATER=S: how long a thread works a little after the last lap,
# until it is seen what stays (1 second).
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}" "${top_builddir:=.}"
here=$top_srcdir/t/memory
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
rounds=3 scale=1 only=. mode='' alloc='glibc mimalloc jemalloc arenite' columns=()
[ $# -gt 0 ] || mode=check

usage() {
	sed -n '4,28s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--c) mode=c ;;
	--check | --list) mode=${1#--} ;;
	--rounds) rounds=$2; shift ;;
	--scale) scale=$2; shift ;;
	--only) only=$2; shift ;;
	--alloc) alloc=${2//,/ }; shift ;;
	[a-zA-Z0-9]*=*) columns+=("$1"); mode=${mode:-python} ;;
	*) usage ;;
	esac
	shift
done
[ -n "$mode" ] || usage
for lib in "$top_builddir" "$top_srcdir/build"; do
	[ -n "${ARN_BENCH_LIB:-}" ] || [ ! -e "$lib/lib/.libs/libarenite.so" ] ||
		ARN_BENCH_LIB=$(cd "$lib" && pwd)/lib/.libs/libarenite.so
done
export ARN_BENCH_LIB=${ARN_BENCH_LIB:-libarenite.so}
# Some peers use initial-exec TLS and do not expect dlopen.
export GLIBC_TUNABLES=glibc.rtld.optional_static_tls=65536 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1

# ---- running

build() {
	local p
	for p in price price-once; do
		${CC:-cc} -O2 -std=gnu11 -pthread -rdynamic -I"$top_srcdir/include" -o "$work/$p" "$here/$p.c" -ldl ||
			exit 1
	done
}

programs_c() { # prints "FILE PROGRAM"
	local p
	for p in price price-once; do
		"$work/$p" --list | sed "s/^/$p /"
	done
}

# One run: the lines of its laps and metrics, or `failed 1`.  RETAIN may be empty: then the default is in force.
run_c() { # RETAIN FILE ALLOCATOR PROGRAM SCALE
	env ${1:+ARENITE_RETAIN="$1"} timeout 900 "$work/$2" "$3" "$4" "$5" 2>"$work/err" || echo "failed 1"
}

run_python() { # RETAIN COMMAND PROGRAM SCALE
	local words
	eval "words=($2)"
	env ${1:+ARENITE_RETAIN="$1"} timeout 900 "${words[@]}" "$here/price.py" "$3" "$4" 2>"$work/err" ||
		echo "failed 1"
}

# ---- the table

# From lines "COLUMN ROUND lap CPU FAULTS CALLS BYTES RSS" and "COLUMN ROUND METRIC VALUE" of one program.
table() { # PROGRAM
	awk -v program="$1" '
	!($1 in known) { known[$1] = 1; name[++columns] = $1; if (columns == 1) first = $1 }
	$3 == "lap" {
		if ($1 " " $2 != at) { lap = 0; at = $1 " " $2 }
		k = $1 SUBSEP (++lap)
		if (!(k in cpu) || $4 < cpu[k]) cpu[k] = $4
		faults[k] += $5; calls[k] += $6; given[k] += $7; seen[k]++
		if (lap > laps) laps = lap
		next
	}
	{
		if (!($3 in is_metric)) { is_metric[$3] = 1; metric[++metrics] = $3 }
		if (!(($1, $3) in least) || $4 < least[$1, $3]) least[$1, $3] = $4
	}
	# The mean of a column over laps.
	function mean(c, from, to, i, k) {
		m_cpu = m_faults = m_calls = m_given = 0
		for (i = from; i <= to; i++) {
			k = c SUBSEP i
			if (!(k in seen)) continue
			m_cpu += cpu[k] / (to - from + 1)
			m_faults += faults[k] / seen[k] / (to - from + 1)
			m_calls += calls[k] / seen[k] / (to - from + 1)
			m_given += given[k] / seen[k] / (to - from + 1)
		}
	}
	function ratio(a, b) { return b > 0 && a > 0 ? sprintf("%6.2f", a / b) : "     -" }
	function unit(metric, value) {
		if (metric ~ /^(rss|ours|left|space|given|peak)/) return sprintf("%.1f MiB", value / 1048576)
		return metric ~ /^ns_/ ? sprintf("%.2f us", value / 1e3) : sprintf("%.0f", value)
	}
	function stretch(title, from, to, i, base_cpu, k_cpu, k_cost) {
		mean(first, from, to)
		base_cpu = m_cpu
		for (i = 1; i <= columns; i++) {
			mean(name[i] "-kept", from, to)
			k_cpu = m_cpu
			k_cost = m_faults * 2e-6 + m_calls * 5e-6
			mean(name[i], from, to)
			printf "  %-8s %-16s %10.2f %9.0f %8.0f %9.1f  %s %s", title, name[i], m_cpu * 1e3, m_faults,
				m_calls, m_given / 1048576, ratio(m_cpu, k_cpu), ratio(m_cpu, base_cpu)
			if (k_cpu > 0)
				printf " %6.1f %%", 100 * (m_faults * 2e-6 + m_calls * 5e-6 - k_cost) / k_cpu
			print ""
			title = ""
		}
	}
	function metrics_of(c, i, text) {
		for (i = 1; i <= metrics; i++)
			if ((c, metric[i]) in least)
				text = text " " metric[i] " " unit(metric[i], least[c, metric[i]]) ","
		return text sprintf(" %.2f", least[c, "peak"] / (least[first, "peak"] + 1e-9))
	}
	END {
		print program
		if (laps)
			printf "  %-8s %-16s %10s %9s %8s %9s  %6s %6s %8s\n", "", "", "CPU ms", "faults", "calls",
				"given MiB", "/kept", "/" substr(first, 1, 5), "price"
		if (laps == 1) stretch("whole", 1, 1)
		if (laps > 1) stretch("lap 2", 2, 2)
		if (laps > 2) stretch("lap 3-" laps, 3, laps)
		for (i = 1; i <= columns; i++)
			printf "  %-8s %-16s%s\n", "", name[i], metrics_of(name[i])
	}'
}

rounds_of_c() { # FILE PROGRAM
	local a r
	for ((r = 1; r <= rounds; r++)); do
		for a in $alloc; do
			run_c '' "$1" "$a" "$2" "$scale" | sed "s/^/$a $r /"
			[ "$a" = arenite ] || continue
			run_c 1T "$1" "$a" "$2" "$scale" | sed "s/^/$a-kept $r /"
			[[ $2 != longest* ]] || run_c 1G "$1" "$a" "$2" "$scale" | sed "s/^/$a-1G $r /"
		done
	done
}

rounds_of_python() { # PROGRAM
	local c r name
	for ((r = 1; r <= rounds; r++)); do
		for c in "${columns[@]}"; do
			name=${c%%=*}
			run_python '' "${c#*=}" "$1" "$scale" | sed "s/^/$name $r /"
			[ "$c" = "${columns[0]}" ] || run_python 1T "${c#*=}" "$1" "$scale" | sed "s/^/$name-kept $r /"
		done
	done
}

programs_python() {
	local python
	for python in "${columns[0]#*=}" python3; do
		eval "$python '$here/price.py' --list" 2>/dev/null && return
	done
}

compare_c() {
	local file name
	build
	programs_c | while read -r file name; do
		[[ $name =~ $only ]] && rounds_of_c "$file" "$name" | table "$name"
	done
}

compare_python() {
	local name
	programs_python | while read -r name _; do
		[[ $name =~ $only ]] && rounds_of_python "$name" | table "$name"
	done
}

list() {
	build
	columns=("${columns[@]:-x=python3}")
	echo "In C:"
	programs_c | awk '{ print $2 }'
	echo "In Python:"
	programs_python
}

# ---- the bounds

# The lines of a run of ours and of one that keeps everything, with their names before them, in $work/out.
both() { # KIND WORDS...: of run_KIND
	PRICE_LATER=0 "run_$1" '' "${@:2}" | sed 's/^/ours /'
	PRICE_LATER=0 "run_$1" 1T "${@:2}" | sed 's/^/kept /'
}

# What giving back costs in percent of the CPU time of the same with everything kept, in laps FROM to TO.  A page costs
# 2 us, or what it costs on this machine if that is less: a fast machine is fast in the program, too.  So many pages may
# be taken again for nothing at any time (RETAIN_BURST of lib/arena/retain.h), which is much of a program that is over
# after a tenth of a second.
page_cost=2e-6 burst=1024
price() { # FROM TO
	awk -v from="$1" -v to="$2" -v page="$page_cost" -v burst=$burst '
		$2 != "lap" { next }
		++lap[$1] >= from && lap[$1] <= to { cpu[$1] += $3; cost[$1] += ($4 + $5 * 2.5) * page }
		END {
			if (!cpu["kept"] || !cpu["ours"]) exit 1
			more = cost["ours"] - cost["kept"] - burst * page
			printf "%.1f\n", (more > 0 ? 100 * more / cpu["kept"] : 0)
		}' "$work/out"
}

find_page_cost() {
	once '' page 1
	page_cost=$(metric ours ns_page | awk '{ print ($1 > 0 && $1 < 2000 ? $1 * 1e-9 : 2e-6) }')
	echo "# a page of 4 KiB that goes back and comes again counts as $page_cost s"
}

metric() { # COLUMN NAME
	awk -v column="$1" -v name="$2" '$1 == column && $2 == name { print $3 }' "$work/out"
}

# A value that is missing fails.
at_most() { # VALUE BOUND UNIT DESCRIPTION
	awk -v value="${1:-none}" -v bound="$2" -v unit="$3" 'BEGIN {
		missing = value == "none"
		value /= unit == "MiB" ? 1048576 : 1
		printf "# %s, at most %s %s\n", missing ? "none" : value, bound, unit
		exit missing || value > bound
	}'
	result $? "$4"
}

# One lap is a price of the whole; else the second may be dear, and from lap FROM on it must be cheap.
second=50 later=3
is_cheap() { # DESCRIPTION FROM KIND WORDS...
	both "${@:3}" >"$work/out"
	if [ "$2" = 1 ]; then
		at_most "$(price 1 1)" $((later + once)) "% of the CPU time" "$1: what giving back costs"
		return
	fi
	[ "$2" != 3 ] || at_most "$(price 2 2)" $second "% of the CPU time" "$1: what giving back costs in lap 2"
	at_most "$(price "$2" 1000)" $later "% of the CPU time" "$1: what giving back costs from lap $2 on"
}

# These programs do nothing but allocate, so their second lap, which pays for its pages as the first one does, takes
# longer by what those cost.  The first 4 MiB of refaults and 32 MiB of trades (lib/arena/retain.h), with a sixth of
# what the program grows by (lib/arena/peak.c), are free, which is much of the time of programs that are over after a
# tenth of a second: the crowds and the changing sizes.  A program of one lap has no later one without it: 8192 faults
# are 41 ms, a tenth of it.
once=10
check_laps_c() {
	local second=300 later=10
	is_cheap "300 threads at once" 1 c price arenite threads_300 0.2
	is_cheap "100 threads at once, six times" 3 c price arenite threads_100 0.4
	later=3
	is_cheap "blocks of 60 bytes, made and dropped" 3 c price arenite strings 1
	is_cheap "blocks of two sizes, made and dropped" 3 c price arenite instances 1
	is_cheap "the same after another phase" 3 c price arenite phase_lists 1
	local mib
	for mib in 1 3 5 20 60; do
		is_cheap "one temporary of $mib MiB a step" 3 c price arenite "temporary_$mib" 0.6
	done
	# Now and then all four hold theirs at once for the first time in a later lap: 4 ms, once.
	is_cheap "one temporary of 5 MiB a step, four threads" 3 c price arenite temporary_5_x4 3
	later=20
	is_cheap "sizes that change from lap to lap" 7 c price arenite sizes 1
	later=3
	is_cheap "a computation between two laps" 3 c price arenite computing 1
	is_cheap "a burst every 200 ms" 3 c price arenite bursts 0.5
	is_cheap "half stays, half comes and goes" 3 c price arenite saw 1
}

# What a program of price-once.c measures, in $work/out.
once() { # RETAIN PROGRAM SCALE
	run_c "$1" price-once arenite "$2" "$3" | sed 's/^/ours /' >"$work/out"
}

check_once_c() {
	local many few retain
	once '' handed_idle 1
	at_most "$(metric ours left_second)" 60 MiB "four make 330 MiB, another one drops it, they idle: what stays"
	once '' handed_ended 1
	at_most "$(metric ours left_second)" 60 MiB "four make 330 MiB and end, another one drops it: what stays"
	once '' orphans_of_one 1
	at_most "$(metric ours left_second)" 10 MiB "one makes 1.48 GiB and ends, another one drops it: what stays"
	for how in locked denied; do
		once '' "${how}_2000" 1
		few=$(metric ours tried)
		once '' "${how}_4000" 1
		many=$(metric ours tried)
		at_most "$many" $((${few%.*} * 22 / 10 + 200)) calls "twice as many blocks, $how: twice the calls"
		at_most "$(metric ours tried_by_pairs)" 100 calls "2000 pairs of malloc and free, $how: calls"
	done
	for retain in 2M 64M; do
		once $retain longest_exact_1 0.25
		at_most "$(metric ours given_longest)" 7 MiB "256 MiB dropped, RETAIN=$retain: given by one free()"
		at_most "$(metric ours calls_longest)" 200 calls "256 MiB dropped, RETAIN=$retain: calls by one free()"
	done
	once '' huge 0.1
	at_most "$(metric ours space_second)" 512 MiB "400 blocks of 17 MiB dropped: what stays mapped"
	at_most "$(metric ours left_second)" 16 MiB "400 blocks of 17 MiB dropped: what stays resident"
}

check_python() { # NAME COMMAND STOCK
	local name most more=1.03
	# 3 %, and the trades that are free once, 32 MiB and a sixth of the growth: programs of a second
	local later=6
	is_cheap "$1: 300 threads at once" 1 python "$2" threads_300 0.3
	for name in threads_100 phase_lists strings instances temporary_1 temporary_5 temporary_20 computing bursts; do
		is_cheap "$1: $name" 3 python "$2" $name 1
	done
	later=20
	is_cheap "$1: sizes" 7 python "$2" sizes 1
	for name in handed_idle handed_ended; do
		run_python '' "$2" $name 1 | sed 's/^/ours /' >"$work/out"
		# Under the preload the collector's objects are in a heap of CPython's, which keeps it all.
		if [ "$1" = preload ]; then
			at_most "$(metric ours ours_second)" 30 MiB "$1: $name: what stays in Arenite of 330 MiB"
		else
			at_most "$(metric ours rss_second)" 60 MiB "$1: $name: what stays of 330 MiB"
		fi
	done
	# the least of three: what is kept at the peak depends on the clock
	{
		for _ in 1 2 3; do
			run_python '' "$2" kinds 1
		done | sort -k 1,1 -k 2,2n | awk '$1 == "peak"' | head -n 1 | sed 's/^/ours /'
		run_python '' "$3" kinds 1 | sed 's/^/stock /'
	} >"$work/out"
	# The collector's objects are in CPython's own heap there: what is kept of one kind cannot serve the other.
	if [ "$1" = preload ]; then
		case $(eval "$3 -V") in
		*" 3.13"*) more=1.7 ;;
		*) more=1.45 ;;
		esac
	fi
	most=$(metric stock peak | awk -v more=$more '{ printf "%.1f", $1 * more / 1048576 }')
	at_most "$(metric ours peak)" "$most" MiB \
		"$1: ten phases of different kinds: $more of the peak of stock"
}

check() {
	local c
	[ -z "${SANITIZE_FLAGS:-}" ] || skip_all "a sanitizer has memory and calls of its own"
	build
	find_page_cost
	check_laps_c
	check_once_c
	[ ${#columns[@]} -gt 0 ] || [ -z "${PYTHON_STOCK:-}" ] || {
		columns=(stock="$PYTHON_STOCK" preload="'$top_builddir/arenite' run '$PYTHON_STOCK'")
		[ -z "${PYTHON_GRAFT:-}" ] || columns+=(graft="$PYTHON_GRAFT")
	}
	for c in "${columns[@]:1}"; do
		check_python "${c%%=*}" "${c#*=}" "${columns[0]#*=}"
	done
	done_testing
}

echo "# $(uname -srm), $(nproc) processors, load $(cut -d ' ' -f 1-3 /proc/loadavg)"
case $mode in
c) compare_c ;;
python) compare_python ;;
list) list ;;
check) check ;;
esac
