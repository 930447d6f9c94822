#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# arenite.watch() with every CPython of 3.11 or later that is found: in PATH, and what PYTHONS names.  Pressure comes by
# a FIFO, a socket or a file of this test, and for Arenite's own requests the kernel is a tree of files.
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "$SANITIZE_FLAGS" ] || skip_all "Python is not built with the sanitizer"
for name in LD_PRELOAD MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE ${!ARENITE_*} ${!PYTHON*}; do
	[ "$name" = PYTHONS ] || unset "$name"
done
top=$(cd "$top_srcdir" && pwd)
arenite=$(cd "$top_builddir" && pwd)/arenite
export PYTHONPATH=$top/lib/module PYTHONDONTWRITEBYTECODE=1

# A group that may have 256 MiB and has 206, which is above 80 %.
tree=$work/tree
mkdir -p "$tree/proc/self" "$tree/group"
printf 'MemTotal: 16000000 kB\nMemAvailable: 16000000 kB\n' >"$tree/proc/meminfo"
echo 0::/ >"$tree/proc/self/cgroup"
echo '30 23 0:26 / /group rw - cgroup2 cgroup2 rw' >"$tree/proc/self/mountinfo"
echo $((256 << 20)) >"$tree/group/memory.max"
echo $((206 << 20)) >"$tree/group/memory.current"

found=0
while read -r python version; do
	found=$((found + 1))
	name="Python $version ($python)"
	run=("$arenite" run)
	! ldd "$(command -v "$python")" 2>/dev/null | grep -q libarenite || run=()
	[ ${#run[@]} = 0 ] || checks "$name without Arenite" timeout 60 "$python" "$top/t/python/watch.py" absent
	checks "$name" timeout 60 "${run[@]}" "$python" "$top/t/python/watch.py" active
	for mode in alone blocked; do
		checks "$name, $mode" timeout 60 env ARENITE_CGROUP_TREE="$tree" ARENITE_LIMIT=90% \
			"${run[@]}" "$python" "$top/t/python/watch.py" $mode
	done
done < <(pythons)
[ "$found" != 0 ] || skip "watch()" "no Python of 3.11 or later"
done_testing
