#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Option GUARD in Python: misuse of t/python/guard.py is found, with the lines of Python that have made, freed and
# misused the block, in an extension module where the interpreter's headers are there.  With faulthandler as well.
# In a grafted interpreter objects of the collector are guarded, too, and it still finds them.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "${SANITIZE_FLAGS:-}" ] || skip_all "Python is not built with the sanitizer"
ulimit -c 0
top=$(cd "$top_srcdir" && pwd) build=$(cd "$top_builddir" && pwd)
for name in LD_PRELOAD ${!ARENITE_*} ${!PYTHON*}; do
	[ "$name" = PYTHONS ] || unset "$name"
done
export PYTHONDONTWRITEBYTECODE=1
export LD_LIBRARY_PATH=$build/lib/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} # for a grafted interpreter
program=$top/t/python/guard.py

run() { # GUARD CASE [OPTION...]
	ARENITE_GUARD=$1 timeout 100 "$build/arenite" run "${@:3}" "$python" "$program" "$2" "$work/ext" \
		>"$work/out" 2>"$work/err" </dev/null
}

# The lines of one section of the report, from the line that begins with this on.
section() { # BEGINNING
	awk -v head="arenite: $1" 'index($0, head) == 1 { on = 1; next }
		/^arenite: [^ ]/ && !/^arenite: Python/ { on = 0 } on' "$work/err"
}

is_in() { # FUNCTION, or - < LINES
	[ "$1" = - ] || grep -q "File \"$program\", line [0-9]*, in $1\$"
}

# Python before 3.13 has no frames that can be read: there, and in the frames of C, some line has to be.
stacks_are_right() { # MADE FREED HERE
	if [ "$frames" = yes ]; then
		section 'the block was made by' | is_in "$1" && section 'the block was freed by' | is_in "$2" &&
			section 'this happened in' | is_in "$3"
	fi && [ -n "$(section 'the block was made by' | grep 'called from')" ] &&
		[ -n "$(section 'this happened in' | grep 'called from')" ]
}

found() { # CASE MESSAGE MADE FREED HERE [OPTION...]
	run 1 "$1" "${@:6}"
	local status=$?
	[ $status = 139 ] && grep -Eqx "arenite: $2" "$work/err" && stacks_are_right "$3" "$4" "$5"
	result $? "$version${6:+ $6}, $1: status $status, ${2%%:*}"
}

thread='thread [0-9]+' at='0x[0-9a-f]+'
writes="$thread writes to $at" reads="$thread reads $at"
[ "$(uname -m)" = x86_64 ] || writes="$thread accesses $at" reads=$writes
freed="use after free: $writes, byte 7 of a freed block of 96 bytes at $at"

is_silent() { # GUARD CASE WHAT
	run "$1" "$2" && [ ! -s "$work/err" ]
	result $? "$version: $3 at $1"
}

over() { # BYTES ACCESS OF
	echo "overflow by $1 bytes?: $2, behind the end of a block of $3 bytes at $at"
}

with_extension() {
	found overflow "overflow by 1 byte: $writes, behind the end of a block of 96 bytes at $at" make - overflow
	found written "$freed" make drop use
	found object_1 "$(over 1 "$writes" 96)" create - object_over
	found object_8 "$(over 8 "$writes" 96)" create - object_over
	found object_100 "$(over 100 "$writes" 96)" create - object_over
	found object_late "$freed" create release use
	is_silent 1 fine "what is right is left alone"
	is_silent 1 walked "the collector finds each object once"
	is_silent 7 walked "the collector finds each object once"
}

# The blocks of an object with a pre-header have 16 bytes more.
with_collector() {
	found collected_1 "$(over 1 "$writes" 96)" create - object_over
	found weak_8 "$(over 8 "$writes" 112)" create - object_over
	found collected_late "$freed" create release use
	found weak_late "${freed/96/112}" create release use
}

with_frames() {
	found read "${freed/"$writes"/"$reads"}" make drop use
	found elsewhere "$freed" make drop use
	found malloc "$freed" make drop use --malloc
	PYTHONFAULTHANDLER=1 found written "$freed" make drop use
}

while read -r python version; do
	frames=no
	[[ $version =~ ^3\.1[12]\. ]] || frames=yes
	rm -rf "$work/ext"
	include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
	if [ -e "$include/Python.h" ]; then
		mkdir "$work/ext"
		$CC -shared -fPIC -O1 -w -I"$include" -o "$work/ext/wild.so" "$top/t/python/wild.c" >"$work/log" 2>&1
		result $? "$version: the extension compiles"
		with_extension
		[ $frames = no ] || with_frames
		! ldd "$python" 2>/dev/null | grep -q libarenite || with_collector
	else
		skip "$version: an extension" "no headers"
	fi
	found numbers "overflow by [18] bytes?: $writes, behind the end of a block of 96 bytes at $at" numbers - numbers
done < <(pythons) 2>/dev/null
done_testing
