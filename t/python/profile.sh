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

is_right() { # COMMAND...
	"$judge" -B "$top_srcdir/t/python/profile.py" --runs "$runs" "$arenite" "$@" >"$work/out" 2>"$work/err"
}

while read -r python version; do
	"$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))' || continue
	run=("$arenite" run)
	! ldd "$python" 2>/dev/null | grep -q libarenite || run=()
	is_right "${run[@]}" "$python"
	status=$?
	result $status "$version${run[*]:+ under arenite run}: live and made memory by line, $runs runs"
	[ "$status" != 0 ] || [ "$runs" -lt 20 ] || sed 's/^/# /' "$work/out"
done < <(pythons)
[ "$n" -gt 0 ] || skip_all "no CPython of 3.13 or later; PYTHONS names one"
done_testing
