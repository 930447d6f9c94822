#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Option GUARD: each case of t/wrong/guard/misuse.c is found at 1, every time, with what it was and the right stacks;
# at 100 in proportion; and what is right is left alone.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "${SANITIZE_FLAGS:-}" ] || skip_all "a sanitizer has a handler of its own"
ulimit -c 0
lib=$(cd "${ARN_TEST_LIBDIR:-$top_builddir/lib/.libs}" && pwd) || { echo "Bail out! no library"; exit 1; }

compile() { # PROGRAM FLAGS...
	$CC -std=gnu11 -O1 -w -fno-builtin -fno-omit-frame-pointer -I"$top_srcdir/include" \
		-o "$work/$1" "$top_srcdir/t/wrong/guard/misuse.c" "${@:2}" -L"$lib" -Wl,-rpath,"$lib" -pthread \
		>"$work/log" 2>&1
	result $? "the cases compile: $1"
	nm -S --defined-only "$work/$1" | awk 'NF == 4 { print $1, $2, $4 }' >"$work/$1.names"
}

# The lines of one section of the report, from the line that begins with this on.
section() { # BEGINNING
	awk -v head="arenite: $1" 'index($0, head) == 1 { on = 1; next } /^arenite: [^ ]/ { on = 0 } on' "$work/err"
}

# Does one of these frames lie in the function?
is_in() { # PROGRAM FUNCTION < FRAMES
	local from bytes name offset
	read -r from bytes name <<<"$(grep " $2\$" "$work/$1.names" | head -n 1)"
	[ -n "${name:-}" ] || return 1
	while read -r offset; do
		[ $((offset)) -lt $((16#$from)) ] || [ $((offset)) -ge $((16#$from + 16#$bytes)) ] || return 0
	done < <(sed -n 's/.*the program+\(0x[0-9a-f]*\)$/\1/p')
	return 1
}

stacks_are_right() { # PROGRAM MADE FREED HERE, each a function or -
	section 'the block was made by' | is_in "$1" "$2" || return 1
	[ "$3" = - ] || section 'the block was freed by' | is_in "$1" "$3" || return 1
	section 'this happened in' | is_in "$1" "$4"
}

found() { # PROGRAM CASE STATUS FIRST-LINE MADE FREED HERE
	ARENITE_GUARD=1 "$work/$1" "$2" >"$work/out" 2>"$work/err"
	local status=$?
	[ $status = "$3" ] && head -n 1 "$work/err" | grep -Eqx "arenite: $4" && stacks_are_right "$1" "$5" "$6" "$7"
	result $? "$1, $2: status $status, ${4%%:*}"
}

thread='thread [0-9]+' at='0x[0-9a-f]+'
block="a block of 96 bytes at $at" freed="a freed block of 96 bytes at $at" odd="a block of 100 bytes at $at"
writes="$thread writes to $at" reads="$thread reads $at"
[ "$(uname -m)" = x86_64 ] || writes="$thread accesses $at" reads=$writes

all_cases() { # PROGRAM
	found "$1" overflow_1 139 "overflow by 1 byte: $writes, behind the end of $block" make - overflow_1
	found "$1" overflow_8 139 "overflow by [28] bytes: $writes, behind the end of $block" make - overflow_8
	found "$1" overflow_100 139 "overflow by 100 bytes: $reads, behind the end of $block" make - overflow_100
	found "$1" overflow_odd 134 "overflow by 1 byte: $thread frees $odd, and somebody has written behind its end" \
		make - drop
	found "$1" underflow 139 "underflow by 5000 bytes: $reads, before $block" make - underflow
	found "$1" underflow_near 134 "underflow by 1 byte: $thread frees $block, and somebody has written before it" \
		make - drop
	found "$1" read_freed 139 "use after free: $reads, byte 7 of $freed" make drop read_freed
	found "$1" write_freed 139 "use after free: $writes, byte 7 of $freed" make drop write_freed
	found "$1" freed_elsewhere 139 "use after free: $writes, byte 7 of $freed" make drop freed_elsewhere
	found "$1" read_elsewhere 139 "use after free: $reads, byte 7 of $freed" make drop touch
	found "$1" resized 139 "use after free: $writes, byte 7 of $freed" make resize resized
	found "$1" buffer 139 "overflow by 1 byte: $reads, behind the end of $block" buffer - buffer
	found "$1" twice 134 "block freed twice: $thread frees $freed" make drop drop
	found "$1" interior 134 "freed pointer is not the start of a block: $thread frees $at, byte 16 of $block" \
		make - drop
}

silent() { # PROGRAM GUARD
	ARENITE_GUARD=$2 "$work/$1" nothing >"$work/out" 2>"$work/err" && [ ! -s "$work/err" ]
	result $? "$1: what is right is left alone at $2"
}

# 200 runs, in each of which 20 blocks are written to after they were freed: each run is found with the probability
# 1 - 0.99^20 = 0.182, so 36 of them, and between 14 and 59 but for one time in 20000.
in_proportion() {
	local hits=0 i
	for i in $(seq 200); do
		ARENITE_GUARD=100 "$work/arn" write_freed 20 >/dev/null 2>"$work/err"
		[ $? != 139 ] || hits=$((hits + 1))
	done
	[ $hits -ge 14 ] && [ $hits -le 59 ]
	result $? "at 100, of 200 runs with 20 such blocks $hits are found"
}

# The subshell keeps bash from reporting how they end.
{
	compile arn -larenite
	all_cases arn
	silent arn 1
	silent arn 3
	compile names -DMISUSE_NAMES -larenite-malloc
	all_cases names
	silent names 1
	in_proportion
} 2>/dev/null
done_testing
