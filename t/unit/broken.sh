#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Broken variants: each takes one step or one order away from a protocol, by BUG(name) in the library's own
# source, and the test of that protocol must fail.  The library as it is passes the same runs.
#
# A variant's sources are compiled anew and linked before the archive of the test build, which gives the rest.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${CFLAGS:=-O2}" "${SANITIZE_FLAGS:=}" "${URCU_LIBS:=}"
seeds=8
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
ulimit -c 0

# what a test needs beside the library: with_TEST, used by build, folders and dashes as underscores
# shellcheck disable=SC2034
with_unit_python_layout='python/layout.c'
with_unit_python_qsbr='python/interp.c python/layout.c python/qsbr.c python/binding.c'
with_unit_python_tls='python/tls.c'

# and what else of t/ it is made of: more_TEST
# shellcheck disable=SC2034
more_property_property='property/account.c property/actor.c property/blocks.c property/bound.c property/readers.c
	property/round.c'

# name of the fault, test, sources that change
variants='
queued_first       unit/remote          heap/remote.c
unqueue_last       unit/remote          heap/remote.c
release_queued     unit/remote          heap/heap.c
unawaited          unit/remote          heap/heap.c
take_in_two_steps  unit/pool            arena/pool.c
any_class          unit/aligned         heap/cache.c
no_generation      unit/stack-plain
adopt_blindly      unit/family          heap/family.c
leave_full         unit/family          heap/family.c
thread_pointers    unit/owner           api/alloc.c heap/owner.c
hide_in_table_only unit/lookup          arena/registry.c
look_outside       unit/lookup          arena/pool.c
unmarked_walk      unit/fork            api/visit.c
stay_external      unit/fork            heap/family.c
borrow_for_good    unit/thread          api/domain.c
end_blindly        unit/family-ended    heap/family.c
add_twice          unit/table           heap/family.c
records_at_the_end unit/thread          heap/thread.c arena/reclaim.c
record_at_any_free unit/thread          heap/remote.c
bindings_at_the_end   unit/python-qsbr     python/binding.c
all_look           unit/budget          arena/budget.c
limit_once         unit/budget          arena/budget.c
ask_twice          unit/budget          api/collect.c
cancelled          unit/cancel          base/text.c
claim_blindly      unit/arena           arena/arena.c
any_huge           unit/arena           arena/supply.c
retire_at_once     unit/retire          arena/retire.c
lowered_unchecked  unit/summary         arena/arena-find.c
count_once         unit/summary         arena/arena.c
trust_numbers      unit/summary         arena/arena-find.c
push_locked        unit/progress        heap/remote.c
take_blindly       unit/stock           heap/stock.c
fetch_long_runs    unit/stock           heap/stock.c
borrow_for_ever    unit/stock           heap/grant.c
wait_blindly       unit/wait            heap/wait.c
fit_tail           unit/wait            heap/limbo.c
purge_one_stack    unit/wait            heap/limbo.c
grow_beside_stock  unit/wait            heap/empty.c
add_twice          unit/tally           arena/tally.c
publish_first      unit/page            api/page.c
write_together     unit/page            api/page.c
keep_parents_page  unit/page            api/page.c
sweep_outward      unit/sweep           heap/sweep.c
sweep_singly       unit/sweep           heap/granules.c
sweep_blindly      unit/sweep           heap/sweep.c
credit_for_all     unit/credit
overlook_pauses    unit/credit
credit_for_larger  unit/credit
credit_for_ever    unit/credit
credit_unasked     unit/credit
trade_singly       unit/credit
overlook_process   unit/peak
grow_at_once       unit/peak
uncut              unit/large           heap/large.c
cut_unmarked       unit/large           arena/registry.c
unmap_in_vain      unit/aligned         arena/supply.c
body_stays         unit/aligned         arena/registry.c
limbo_at_once      unit/readers         heap/limbo.c
goals_singly       unit/heap            heap/limbo.c
poll_any_stack     unit/heap            heap/limbo.c
keep_for_kept      unit/heap            arena/retain.c
limbo_of_any_tag   unit/heap            heap/limbo.c
purge_to_garbage   unit/readers         heap/sweep.c
overlook_threads   unit/python-qsbr     python/qsbr.c
await_unissued     unit/python-qsbr     python/qsbr.c
await_the_dead     unit/python-qsbr     python/qsbr.c
keep_bindings         unit/python-qsbr     python/binding.c
one_remote_kind    unit/visit           arena/pool.c
walk_all           unit/visit           api/visit.c
stay_unwalked      unit/visit           api/visit.c
look_away          unit/tend            heap/tend.c
look_on            unit/tend            heap/tend.c
tend_family_only   unit/tend            heap/tend.c
ask_on             unit/tend            heap/empty.c
rest_at_work       unit/tend            heap/idle.c
meet_nobody        unit/tend            heap/remote.c
meet_at_work       unit/tend            heap/remote.c
look_away          property/property    heap/tend.c
forget_swept       property/property    heap/remote.c
believe_loads      unit/python-tls      python/tls.c
trust_pointers     unit/python-layout   python/layout.c
any_heaps          unit/python-layout   python/layout.c
any_array          unit/python-layout   python/layout.c
even_distances     unit/sample          heap/sample.c
unmetered          unit/sample          api/alloc.c
sample_stays       unit/sample          api/alloc-metered.c
await_batch        unit/sample-threads  profile/spare.c
uncounted          unit/sample          api/alloc.c
spare_at_once      unit/sample-threads  profile/spare.c profile/profile.c
from_stack         unit/unwind          profile/unwind.c
trust_addresses    unit/traceback       os/os.c
quarantine_in_two_steps unit/cell       heap/cell.c
freed_in_two_steps unit/cell            heap/cell.c
close_at_once      unit/cell-wait       heap/cell.c
cells_in_two_steps unit/cell-wait       heap/cell-wait.c
'

build() { # PROGRAM MACRO TEST [SOURCE...]
	local program=$1 macro=$2 test=$3 sources=() name=${3//[\/-]/_}
	local with=with_$name more=more_$name
	shift 3
	# shellcheck disable=SC2086 # a list of words
	for source in $(printf '%s\n' "$@" ${!with:-} | sort -u); do sources+=("$top_srcdir/lib/$source"); done
	for source in ${!more:-}; do sources+=("$top_srcdir/t/$source"); done
	# CC and flags are lists of words
	# shellcheck disable=SC2086
	$CC -std=gnu11 $CFLAGS $SANITIZE_FLAGS -w -D_GNU_SOURCE "$macro" \
		-DARN_FAULT_INJECTION=1 -DARN_YIELD_POINTS=1 -DARN_DEBUG=3 -DLOOKUP_BUCKETS=8 \
		-include "$top_builddir/config.h" \
		-I"$top_builddir" -I"$top_srcdir/include" -I"$top_srcdir/lib" -I"$top_srcdir/t" -o "$program" \
		"$top_srcdir/t/$test.c" ${sources[@]+"${sources[@]}"} "$top_builddir/t/support/.libs/libtestcore.a" \
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
	if [ "$name" = records_at_the_end ] && [[ $SANITIZE_FLAGS == *thread* ]]; then
		skip "$name" "ThreadSanitizer leaves a thread before the last of its destructors"
		return
	fi
	build "$work/$name" "-DARN_BUG_$name" "${@:2}"
	result $? "$name: compiles"
	[ -x "$work/$name" ] || return
	grep -q "BUG($name)" "$top_srcdir"/lib/*/*.[ch]
	result $? "$name: is in the source"
	seed=$(failing_seed "$work/$name" "$seeds" 20)
	[ -n "$seed" ]
	result $? "$name: t/$test.c fails, seed ${seed:-none of $seeds}"
}

check_whole() { # TEST
	local seed program=$work/whole-${1//\//-}
	build "$program" -DARN_WHOLE "$1"
	# a machine that is busy with other things is no fault
	seed=$(failing_seed "$program" 2 100)
	[ -x "$program" ] && [ -z "$seed" ]
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
