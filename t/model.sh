#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Models with something broken must fail.
#
#   t/model/*.c    the library's own source under the explorer: with a step of a protocol left out (ARN_BUG_*), and
#                  with the order of one access taken away; as it is they run as tests of their own
#   t/model/*.pml  the protocols in Promela, checked by spin: as they are, and with -DBUG_*
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${CFLAGS:=-O2}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ulimit -c 0
n=0 failed=0

ok() { # CONDITION DESCRIPTION
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		[ ! -s "$work/log" ] || head -n 40 "$work/log" | sed 's/^/# /'
	fi
}

build() { # PROGRAM MODEL FLAGS...
	local program=$1 model=$2
	shift 2
	# CC and flags are lists of words
	# shellcheck disable=SC2086
	$CC -std=gnu11 $CFLAGS -O1 -w -D_GNU_SOURCE -include "$top_builddir/config.h" -I"$top_builddir" \
		-I"$top_srcdir/include" -I"$top_srcdir/lib" -I"$top_srcdir/t" -I"$top_srcdir/t/model" "$@" \
		-o "$program" "$top_srcdir/t/model/$model.c" "$top_srcdir/t/model/explore.c" >"$work/log" 2>&1
}

# A failure of the model, not of its start.  In a shell of its own, which says "Aborted".
fails() { # PROGRAM ARGUMENT...
	(timeout 120 "$@"; exit $?) >"$work/log" 2>&1
	local status=$?
	[ $status -ne 0 ] && [ $status -ne 124 ] && ! grep -q '^Bail out' "$work/log"
}

# model, macro without ARN_BUG_
bugs='
generation no_generation
queue      queued_first
queue      unqueue_last
queue      release_queued
queue      unawaited
queue      take_in_two_steps
owner      adopt_blindly
owner      forget_busy
owner      tidy_blindly
handover   leave_gathered
handover   spare_first
'
while read -r model bug; do
	[ -n "$model" ] || continue
	build "$work/broken" "$model" "-DARN_BUG_$bug" && grep -q "ARN_BUG_$bug" "$top_srcdir"/lib/*.[ch] &&
		fails "$work/broken"
	ok $? "$model: fails with $bug"
done <<<"$bugs"

# the same in what stands for lib/reclaim.h
while read -r model bug; do
	[ -n "$model" ] || continue
	build "$work/broken" "$model" "-DBUG_$bug" && fails "$work/broken"
	ok $? "$model: fails with $bug"
done <<END
leave no_grace
leave no_section
leave unhidden
leave unclaimed
END

# model, and the access that shall be relaxed: function, operation, expression
orders='
generation stack_push cas_release &stack->x_head
queue      send or_seq &bits->x_remote[word]
queue      pool_drain exchange_seq &pool->bits->x_remote[word]
owner      family_abandon store_release &heap->x_owner
owner      try_own cas_acq_rel &heap->x_owner
owner      family_tidy cas_acq_rel &heap->x_owner
owner      family_tidy store_release &heap->x_owner
handover   stack_push cas_release &stack->x_head
leave      release_slices or_release &arena->x_free[word]
leave      claim_one and_acquire &arena->x_free[word]
leave      step store_release &x_taken
leave      step cas_acq_rel &x_taken
'
built=
while read -r model access; do
	[ -n "$model" ] || continue
	[ "$built" = "$model" ] || build "$work/whole" "$model"
	built=$model
	fails "$work/whole" -w "$access" && grep -q 'a race' "$work/log"
	ok $? "$model: fails when relaxed: $access"
done <<<"$orders"

# An access that is no step would hide orders.
operations() { # FILE DIRECTIVE
	grep -oE "^#$2 (load|store|exchange|or|and|add|sub|cas)_[a-z_]+" "$1" | awk '{ print $2 }' | sort
}
: >"$work/log"
known=$(operations "$top_srcdir/lib/atomic.h" define)
[ -n "$known" ] && [ -z "$(comm -23 <(echo "$known") <(operations "$top_srcdir/t/model/explore.h" undef))" ] &&
	[ -z "$(comm -23 <(echo "$known") <(operations "$top_srcdir/t/model/explore.h" define))" ]
ok $? "every operation of lib/atomic.h is a step"

echo "1..$n"
exit $failed
