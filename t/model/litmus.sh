#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The pairs of doc/memory-order.md on which most depends, in all executions that C11 allows: GenMC runs the programs in
# t/model/litmus under the model RC11, and under IMM, in which compiled code may do even more.  Each program also has
# a broken variant, or more, and there GenMC must find a fault.
#
# GENMC names the program where it is not in PATH; 0.9 with LLVM 14 is known to do.
set -u
: "${top_srcdir:=.}" "${GENMC:=genmc}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
command -v "$GENMC" >/dev/null || skip_all "no GenMC here (github.com/MPI-SWS/genmc)"

# program: variants, each a fault (BUG), or with a + another configuration that must hold
programs='
remote   acquire_release
reclaim  acquire_list +BARRIER +GUEST
owner    relaxed_owner
stack    no_generation relaxed_push
summary  relaxed_field
'

genmc() { # MODEL PROGRAM FLAG...
	"$GENMC" --"$1" --unroll=6 -- -DPACKAGE_VERSION='""' -I"$top_srcdir/include" -I"$top_srcdir/lib" \
		-I"$top_srcdir/t" "${@:3}" "$top_srcdir/t/model/litmus/$2.c" >"$work/log" 2>&1
}

# Several executions were looked at, and each is as it should be.
holds() { # MODEL PROGRAM FLAG...
	genmc "$@" && grep -q '^No errors were detected' "$work/log" &&
		[ "$(sed -n 's/^Number of complete executions explored: //p' "$work/log")" -gt 1 ]
}
fails() { # PROGRAM FLAG...
	! genmc rc11 "$@" && grep -qE '^(Assertion violation|Error detected: Non-Atomic race)' "$work/log"
}

for model in rc11 imm; do
	while read -r program variants; do
		[ -n "$program" ] || continue
		ok "$model: $program" holds $model "$program"
		for variant in $variants; do
			case $variant in
			+*) ok "$model: $program, ${variant#+}" holds $model "$program" -DARN_LITMUS_"${variant#+}" ;;
			esac
		done
	done <<<"$programs"
done
while read -r program variants; do
	for variant in $variants; do
		case $variant in
		+*) ;;
		*) ok "broken: $program, $variant" fails "$program" -DARN_BUG_"$variant" ;;
		esac
	done
done <<<"$programs"
done_testing
