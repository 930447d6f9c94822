#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each program of t/wrong does one wrong thing; its head says what the library must answer.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
ulimit -c 0
lib=$(cd "${ARN_TEST_LIBDIR:-$top_builddir/lib/.libs}" && pwd) || { echo "Bail out! no library"; exit 1; }

# An abort, a line with the message, the pointer that the program named and perhaps the caller, and a line for each
# caller, of which one is in the program itself.
aborts() { # STATUS MESSAGE
	local pointer
	pointer=$(head -n 1 "$work/out")
	[ "$1" = 134 ] && [ "$(grep -cv "^arenite:   called from [^+]*+0x[0-9a-f]*$" "$work/err")" = 1 ] &&
		head -n 1 "$work/err" | grep -Eqx "arenite: $2: $pointer(, called from 0x[0-9a-f]+)?" &&
		grep -q "^arenite:   called from the program+0x" "$work/err"
}

check() { # PROGRAM LEVEL MESSAGE
	ARENITE_CHECKS=$2 "$work/$1" >"$work/out" 2>"$work/err"
	local status=$?
	echo "status $status, wanted: $3" >>"$work/out"
	if [ "$3" = survives ]; then
		[ $status = 0 ] && [ ! -s "$work/err" ]
	else
		aborts $status "$3"
	fi
	result $? "$1 with ARENITE_CHECKS=$2: $3"
}

try_program() { # PROGRAM SOURCE FLAGS...
	# shellcheck disable=SC2086
	if ! $CC -std=gnu11 -O1 -w ${SANITIZE_FLAGS:-} -I"$top_srcdir/include" -o "$work/$1" "$2" -L"$lib" \
		-Wl,-rpath,"$lib" "${@:3}" -larenite -pthread 2>"$work/err"; then
		: >"$work/out"
		result 1 "$1 compiles"
		return
	fi
	sed -n 's/^ \* checks \([0-9 ]*\): /\1:/p' "$2" >"$work/expected"
	while IFS=: read -r levels message; do
		for level in $levels; do
			# The subshell keeps bash from reporting the abort.
			check "$1" "$level" "$message" </dev/null
		done
	done <"$work/expected"
}

for source in "$top_srcdir"/t/wrong/*.c; do
	name=$(basename "$source" .c)
	try_program "$name" "$source"
	if [ -e "$lib/libarenite-malloc.so" ] && grep -q arn_mem_ "$source" && ! grep -q '^ \* names: ' "$source"; then
		try_program "$name-names" "$source" -DNAMES -fno-builtin -larenite-malloc
	fi
done 2>/dev/null
done_testing
