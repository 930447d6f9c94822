#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Models with something broken must fail.
#
#   t/model/*.c    the library's own source under the explorer: with a step of a protocol left out (BUG(name)), and
#                  with the order of one access taken away; as it is they run as tests of their own
#   t/model/*.pml  the protocols in Promela, checked by spin: as they are, and with -DBUG_*
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${CFLAGS:=-O2}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
ulimit -c 0

compile() { # FLAGS AND FILES...
	# CC and flags are lists of words
	# shellcheck disable=SC2086
	$CC -std=gnu11 $CFLAGS -O1 -w -D_GNU_SOURCE -include "$top_builddir/config.h" -I"$top_builddir" \
		-I"$top_srcdir/include" -I"$top_srcdir/lib" -I"$top_srcdir/t" "$@" \
		>"$work/log" 2>&1
}
compile -c -o "$work/explore.o" "$top_srcdir/t/model/explore.c"

build() { # PROGRAM MODEL FLAGS...
	rm -f "$1"
	compile "${@:3}" -o "$1" "$top_srcdir/t/model/$2.c" "$work/explore.o"
}

# A failure of the model, not of its start.  In a shell of its own, which says "Aborted".
fails() { # PROGRAM ARGUMENT...
	(timeout 120 "$@"; exit $?) >"$work/log" 2>&1
	local status=$?
	[ $status -ne 0 ] && [ $status -ne 124 ] && ! grep -q '^Bail out' "$work/log"
}

# model, name of the fault
bugs='
generation no_generation
queue      queued_first
queue      unqueue_last
queue      release_queued
queue      unawaited
queue      take_in_two_steps
owner      adopt_blindly
owner      forget_busy
owner      drain_blindly
owner      end_blindly
handover   leave_gathered
handover   spare_first
leave      hide_in_table_only
leave      look_outside
summary    lowered_unchecked
summary    line_unchecked
summary    count_once
wait       wait_blindly
page       publish_first
page       write_in_place
page       write_together
'
while read -r model bug; do
	[ -n "$model" ] || continue
	build "$work/broken" "$model" "-DARN_BUG_$bug" && grep -q "BUG($bug)" "$top_srcdir"/lib/*/*.[ch] &&
		fails "$work/broken"
	result $? "$model: fails with $bug"
done <<<"$bugs"

# the same in what stands for lib/arena/reclaim.h
while read -r model bug; do
	[ -n "$model" ] || continue
	build "$work/broken" "$model" "-DBUG_$bug" && fails "$work/broken"
	result $? "$model: fails with $bug"
done <<END
leave no_grace
leave no_section
leave unhidden
leave unclaimed
END

# model, and the access that shall be relaxed: function, operation, expression
orders='
generation stack_push cas_release &stack->x_head
queue      remote_send or_seq &x_remote[word]
queue      take_word_of_bits exchange_seq x_word
owner      family_abandon store_release &heap->x_owner
owner      try_own cas_acq_rel &heap->x_owner
owner      begin_drain_orphan cas_acq_rel &heap->x_owner
owner      end_drain_orphan cas_acq_rel &heap->x_owner
owner      end_orphan cas_acq_rel &heap->x_owner
handover   stack_push cas_release &stack->x_head
leave      release_slices or_seq &arena->x_free_slices[word]
leave      claim_one and_seq &arena->x_free_slices[word]
leave      step_batch store_release &x_taken
leave      step_batch cas_acq_rel &x_taken
wait       wait_push cas_release &heap->x_wait
wait       put_back store_release &heap->x_wait
wait       take_list exchange_acquire &heap->x_wait
page       page_take_turn exchange_acquire x_writing
page       page_end_turn store_release x_writing
'
built=
while read -r model access; do
	[ -n "$model" ] || continue
	[ "$built" = "$model" ] || build "$work/whole" "$model"
	built=$model
	fails "$work/whole" -w "$access" && grep -q 'a race' "$work/log"
	result $? "$model: fails when relaxed: $access"
done <<<"$orders"

# An access that is no step would hide orders.
operations() { # FILE DIRECTIVE
	grep -oE "^#$2 (load|store|exchange|or|and|add|sub|cas)_[a-z_]+" "$1" | awk '{ print $2 }' | sort
}
: >"$work/log"
known=$(operations "$top_srcdir/lib/base/atomic.h" define)
[ -n "$known" ] && [ -z "$(comm -23 <(echo "$known") <(operations "$top_srcdir/t/model/explore.h" undef))" ] &&
	[ -z "$(comm -23 <(echo "$known") <(operations "$top_srcdir/t/model/explore.h" define))" ]
result $? "every operation of lib/base/atomic.h is a step"
[ -z "$(comm -23 <(grep -v '^load' <<<"$known") <(operations "$top_srcdir/t/support/counted.h" define))" ]
result $? "every write of lib/base/atomic.h is counted by t/support/counted.h"

# ---- Promela --------------------------------------------------------------------------------------------------

# The last lines say how many errors; with a formula also for runs without end, and fair ones only.
spin_says() { # MODEL FLAGS...: the number of errors
	local model=$1 flags=
	shift
	rm -rf "$work/spin"
	mkdir "$work/spin"
	cp "$top_srcdir/t/model/$model.pml" "$work/spin"
	grep -q '^ltl' "$work/spin/$model.pml" && flags='-a -f'
	(
		cd "$work/spin" || exit 1
		# flags of pan are a list of words
		# shellcheck disable=SC2086
		spin -a "$@" "$model.pml" && cc -O0 -w -o pan pan.c && timeout 300 ./pan -m100000 $flags
	) >"$work/log" 2>&1
	sed -n 's/.*errors: \([0-9]*\)$/\1/p' "$work/log"
}

# A search that was cut off has found nothing.
passes_spin() { # MODEL
	local errors
	errors=$(spin_says "$1")
	[ "$errors" = 0 ] && ! grep -q 'max search depth too small\|out of memory\|Search not completed' "$work/log"
}

fails_spin() { # MODEL BUG
	local errors
	errors=$(spin_says "$1" "-DBUG_$2")
	[ "${errors:-0}" -gt 0 ] && grep -q 'assertion violated\|acceptance cycle' "$work/log"
}

check_promela() {
	local model bugs bug
	while read -r model bugs; do
		passes_spin "$model"
		result $? "$model.pml: $(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' "$work/log") states, no error"
		for bug in $bugs; do
			grep -q "BUG_$bug" "$top_srcdir/t/model/$model.pml" && fails_spin "$model" "$bug"
			result $? "$model.pml: fails with $bug"
		done
	done
}

if command -v spin >/dev/null && command -v cc >/dev/null; then
	check_promela <<-END
		generation no_generation
		handover leave_gathered spare_first
		leave no_grace no_section unhidden untaken
		owner adopt_blindly forget_busy drain_blindly
		queue queued_first unqueue_last release_queued unawaited
	END
else
	skip "the models in Promela" "no spin"
fi
done_testing
