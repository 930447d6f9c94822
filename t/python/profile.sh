#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What the heap profile says of a Python program whose memory is known by line: profile.py.  `profile.sh RUNS` makes so
# many runs of each interpreter, with narrow bounds from 20 on; PYTHONS names interpreters.  One that is built on
# Arenite runs as it is, any other under `arenite run`.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
arenite=$top_builddir/arenite
judge=$(command -v python3 || true)
runs=${1:-2}
[ -z "$SANITIZE_FLAGS" ] || skip_all "Python is not built with the sanitizer"
[ -n "$judge" ] || skip_all "no python3 that judges"

known() {
	pythons | while read -r python version; do
		! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))' || echo "$python $version"
	done
}

is_right() { # COMMAND...
	"$judge" -B "$top_srcdir/t/python/profile.py" --runs "$runs" "$arenite" "$@" >"$work/out" 2>"$work/err"
}

[ -n "$(known)" ] || skip_all "no CPython of 3.13 or later; PYTHONS names one"

# A stack that goes from Python to C and back, twice
cat >"$work/mixed.c" <<'END_OF_C'
#include <stddef.h>
void *PyMem_Malloc(size_t size);
void c_calls(void (*f)(void)) { f(); __asm__ volatile(""); }
void *c_allocates(size_t size) { void *p = PyMem_Malloc(size); __asm__ volatile(""); return p; }
END_OF_C
"${CC:-cc}" -shared -fPIC -O2 "$work/mixed.c" -o "$work/mixed.so" >"$work/log" 2>&1
result $? "a library of C compiles"

look_at() { # COMMAND...: when it is ready, its stacks, collapsed, are in $work/out, and the table in $work/table
	local pid
	rm -f "$work/in"
	mkfifo "$work/in"
	ARENITE_PROFILE=64K "$@" <"$work/in" >"$work/ready" 2>"$work/err" &
	pid=$!
	exec 9>"$work/in"
	for _ in $(seq 200); do
		! grep -q ready "$work/ready" || break
		sleep 0.05
	done
	"$arenite" profile $pid --collapsed >"$work/out"
	"$arenite" profile $pid --top 100 >"$work/table"
	echo >&9
	exec 9>&-
	wait $pid
}

# Four fifths of the 20 MB, or more, are in stacks that go this way
is_mixed() {
	awk '/;python_outer .*;c_calls .*;python_inner .*mixed.py:[0-9]+\).*;c_allocates / &&
		!/EvalFrameDefault/ { n += $NF }
		END { exit !(n > 16e6 && n < 24e6) }' "$work/out"
}

each_made() {
	awk '$6 ~ /^made_/ { print $1, $2, $6, $7 }' "$work/table" | sort -k 3
}

while read -r python version; do
	run=("$arenite" run)
	! ldd "$python" 2>/dev/null | grep -q libarenite || run=()
	is_right "${run[@]}" "$python"
	status=$?
	result $status "$version${run[*]:+ under arenite run}: live and made memory by line, $runs runs"
	[ "$status" != 0 ] || [ "$runs" -lt 20 ] || sed 's/^/# /' "$work/out"
	look_at "${run[@]}" "$python" "$top_srcdir/t/python/mixed.py" "$work/mixed.so"
	if [ "$(uname -m)" = x86_64 ]; then
		ok "$version: frames of C and of Python are in their order" is_mixed
	fi
	grep -q 'python_inner (.*mixed.py:[0-9]*)' "$work/table"
	result $? "$version: a line of the table is one of Python"
	look_at "${run[@]}" "$python" "$top_srcdir/t/python/reuse.py"
	same "$version: 40 code objects, some of them at one address, and each has its own name" \
		"$(seq -w 0 39 | sed 's/.*/1.0 MiB made_& (file_&:2)/')" "$(each_made)"
	grep -qE 'ready [1-9]' "$work/ready"
	result $? "$version: addresses were used again"
	look_at "${run[@]}" "$python" "$top_srcdir/t/python/names.py"
	"$judge" -B "$top_srcdir/t/python/names.py" --judge "$work/out" >"$work/log"
	result $? "$version: collapsed stacks with names of all kinds are read as speedscope does"
done < <(known)
done_testing
