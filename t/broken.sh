#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Broken variants: each takes one step or one order away from a protocol, by a macro ARN_BUG_* in the library's own
# source, and the test of that protocol must fail.  The library as it is passes the same runs.
#
# A variant's sources are compiled anew and linked before the archive of the test build, which gives the rest.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${CFLAGS:=-O2}" "${SANITIZE_FLAGS:=}" "${URCU_LIBS:=}"
seeds=8
# shellcheck source=t/tap.sh
. "$top_srcdir/t/tap.sh"
ulimit -c 0

# what a test needs beside the library: with_TEST, used by build
# shellcheck disable=SC2034
with_python_layout='python/layout.c'
with_python_qsbr='python/home.c python/layout.c python/qsbr.c python/seat.c'
with_python_tls='python/tls.c'

# and what else of t/ it is made of: more_TEST
# shellcheck disable=SC2034
more_property='property-actor.c property-blocks.c property-bound.c property-readers.c property-round.c'

# macro without ARN_BUG_, test, sources that change
variants='
queued_first      remote       remote.c
unqueue_last      remote       remote.c
release_queued    remote       heap.c
unawaited         remote       heap.c
take_in_two_steps pool         pool.c
no_generation     stack-plain
adopt_blindly     family       family.c
thread_pointers   owner        alloc.c owner.c
hide_in_table_only lookup      registry.c
look_outside      lookup       pool.c
unmarked_walk     fork         visit.c
end_blindly       family       family.c
records_at_the_end thread      thread.c reclaim.c
seats_at_the_end  python-qsbr  python/seat.c
cancelled         cancel       panic.c
claim_blindly     arena        arena.c
push_locked       progress     remote.c
sweep_outward     sweep        sweep.c
sweep_blindly     sweep        sweep.c
credit_for_all    credit
overlook_pauses   credit
credit_for_larger credit
credit_for_ever   credit
uncut             large        large.c
limbo_at_once     readers      limbo.c
limbo_of_any_tag  heap         limbo.c
purge_to_garbage  readers      sweep.c
overlook_threads  python-qsbr  python/qsbr.c
await_unissued    python-qsbr  python/qsbr.c
await_the_dead    python-qsbr  python/qsbr.c
keep_seats        python-qsbr  python/seat.c
one_remote_kind   visit        pool.c
walk_all          visit        visit.c
stay_unwalked     visit        visit.c
look_away         tend         tend.c
look_away         property     tend.c
forget_swept      property     remote.c
believe_loads     python-tls   python/tls.c
trust_pointers    python-layout python/layout.c
any_heaps         python-layout python/layout.c
any_array         python-layout python/layout.c
'

build() { # PROGRAM MACRO TEST [SOURCE...]
	local program=$1 macro=$2 test=$3 sources=() with=with_${3//-/_} more=more_${3//-/_}
	shift 3
	# shellcheck disable=SC2086 # a list of words
	for source in $(printf '%s\n' "$@" ${!with:-} | sort -u); do sources+=("$top_srcdir/lib/$source"); done
	for source in ${!more:-}; do sources+=("$top_srcdir/t/$source"); done
	# CC and flags are lists of words
	# shellcheck disable=SC2086
	$CC -std=gnu11 $CFLAGS $SANITIZE_FLAGS -w -D_GNU_SOURCE "$macro" \
		-DARN_FAULT_INJECTION=1 -DARN_YIELD_POINTS=1 -DARN_DEBUG=3 -include "$top_builddir/config.h" \
		-I"$top_builddir" -I"$top_srcdir/include" -I"$top_srcdir/lib" -I"$top_srcdir/t" -o "$program" \
		"$top_srcdir/t/$test.c" ${sources[@]+"${sources[@]}"} "$top_builddir/t/.libs/libtestcore.a" \
		$URCU_LIBS -lpthread >"$work/log" 2>&1
}

# The first seed with which the program fails, hangs or crashes; nothing: none.  A shell of its own says "Aborted".
failing_seed() { # PROGRAM SEEDS SECONDS
	local seed
	for seed in $(seq "$2"); do
		if ! (ARN_TEST_SEED=$seed ARN_PROPERTY_SECONDS=0 ARN_PROPERTY_WITHOUT=threads timeout "$3" "$1") \
			>"$work/log" 2>&1; then
			echo "$seed"
			return
		fi
	done
}

check_variant() { # NAME TEST [SOURCE...]
	local seed name=$1 test=$2
	build "$work/$name" "-DARN_BUG_$name" "${@:2}"
	result $? "$name: compiles"
	[ -x "$work/$name" ] || return
	grep -q "ARN_BUG_$name" "$top_srcdir"/lib/*.[ch] "$top_srcdir"/lib/python/*.[ch]
	result $? "$name: is in the source"
	seed=$(failing_seed "$work/$name" "$seeds" 20)
	[ -n "$seed" ]
	result $? "$name: t/$test.c fails, seed ${seed:-none of $seeds}"
}

check_whole() { # TEST
	local seed
	build "$work/$1" -DARN_WHOLE "$1"
	# a machine that is busy with other things is no fault
	seed=$(failing_seed "$work/$1" 2 100)
	[ -x "$work/$1" ] && [ -z "$seed" ]
	result $? "nothing broken: t/$1.c passes"
}

while read -r name test sources; do
	# shellcheck disable=SC2086
	[ -z "$name" ] || check_variant "$name" "$test" $sources
done <<<"$variants"
for test in $(awk 'NF { print $2 }' <<<"$variants" | sort -u); do
	check_whole "$test"
done
done_testing
