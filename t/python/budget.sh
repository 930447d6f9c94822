#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A Python in a control group that may have 256 MiB: without a limit of Arenite the kernel ends it, with
# ARENITE_LIMIT=90% it collects, gets a MemoryError that it handles, and works on.  `budget.sh N` does it N times.
#
# The group is a real one, below the one of this test, where groups may be made.  Else the kernel is a tree of files,
# and a loop that writes what the process has and ends it when that is too much.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
arenite=$top_builddir/arenite
programs=$top_srcdir/t/python/budget.py
times=${1:-1}
mib=256
group=
export LC_ALL=C
ulimit -c 0

[ -z "$SANITIZE_FLAGS" ] || skip_all "a sanitizer has memory of its own"

remove_group() {
	[ -z "$group" ] || rmdir "$group" 2>/dev/null
}

# A group below our own one whose limit can be set.  ARN_TEST_CGROUP=tree does without.
make_group() {
	local path limit
	[ "${ARN_TEST_CGROUP:-}" != tree ] || return 1
	path=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
	if [ -n "$path" ]; then
		group=/sys/fs/cgroup/memory$path/arenite-test-$$ limit=memory.limit_in_bytes
	else
		group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/arenite-test-$$ limit=memory.max
	fi
	mkdir "$group" 2>/dev/null || { group=; return 1; }
	(echo $((mib << 20)) >"$group/$limit") 2>/dev/null && return
	remove_group
	group=
	return 1
}

make_tree() {
	tree=$work/tree
	mkdir -p "$tree/proc/self" "$tree/group"
	printf 'MemTotal: 16000000 kB\nMemAvailable: 16000000 kB\n' >"$tree/proc/meminfo"
	echo 0::/ >"$tree/proc/self/cgroup"
	echo '30 23 0:26 / /group rw - cgroup2 cgroup2 rw' >"$tree/proc/self/mountinfo"
	echo $((mib << 20)) >"$tree/group/memory.max"
	printf '%-20d\n' 0 >"$tree/group/memory.current"
}

# The kernel of the tree: what process PID has, in pages, is written in place, so that no reader finds half of it.
count_and_kill() { # PID
	local pages page
	page=$(getconf PAGESIZE)
	while read -r _ pages _ <"/proc/$1/statm"; do
		[ $((pages * page)) -le $((mib << 20)) ] || kill -KILL "$1"
		printf '%-20d\n' $((pages * page)) 1<>"$tree/group/memory.current"
		sleep 0.002
	done 2>/dev/null
}

# Runs a command in the group; its output is in $work/out.
in_group() { # COMMAND...
	local pid status clock
	if [ -n "$group" ]; then
		(echo "$BASHPID" >"$group/cgroup.procs" && exec timeout 60 "$@") >"$work/out" 2>&1
		return
	fi
	ARENITE_CGROUP_TREE=$tree "$@" >"$work/out" 2>&1 &
	pid=$!
	(sleep 60 && kill -KILL $pid) 2>/dev/null &
	clock=$!
	count_and_kill $pid &
	wait $pid
	status=$?
	kill $clock 2>/dev/null
	wait
	return $status
}

# What a run that failed has said comes into $bad, with its status: 124 and 137 may be that of the clock, 137 also the
# kernel's.
said() { # LINE COMMAND...
	local line=$1 status
	shift
	in_group env ARENITE_LIMIT=90% ARENITE_SOFT_LIMIT=80% "$@"
	status=$?
	[ $status != 0 ] || [ "$(cat "$work/out")" != "$line" ] || return 0
	bad="$bad, status $status: $(tail -n 3 "$work/out")"
	return 1
}

check() { # NAME COMMAND...
	local name=$1 i good=0 bad=''
	shift
	for ((i = 0; i < times; i++)); do
		if said "errors 8 collected True served 1000" "$@" "$programs" grow; then
			good=$((good + 1))
		fi
	done
	same "$name: 8 threads get a MemoryError each, and 1000 requests are served, $times times" "$times" "$good$bad"
	good=0 bad=
	for ((i = 0; i < times; i++)); do
		if said "errors 0 collected True live 1600" "$@" "$programs" garbage; then
			good=$((good + 1))
		fi
	done
	same "$name: garbage in cycles is no MemoryError, $times times" "$times" "$good$bad"
}

# PYTHONS names interpreters; of those in PATH the first free-threaded one is taken.
interpreters() {
	local name
	for name in ${PYTHONS:-}; do echo "$name"; done
	[ -n "${PYTHONS:-}" ] || for name in python3.14t python3.13t; do command -v $name && break; done
}

trap 'remove_group; rm -rf "$work"' EXIT
make_group || make_tree
list=$(interpreters)
[ -n "$list" ] || skip_all "no free-threaded Python; PYTHONS names one"
echo "# $([ -n "$group" ] && echo "a real group" || echo "a tree of files")"
for python in $list; do
	name=$("$python" -c 'import sys; print(sys.version.split()[0])')
	if ldd "$(command -v "$python")" 2>/dev/null | grep -q libarenite; then
		check "$name on Arenite" "$python"
		continue
	fi
	in_group "$python" "$programs" grow 2>/dev/null
	same "$name alone is killed" 137 $?
	check "$name" "$arenite" run "$python"
done
done_testing
