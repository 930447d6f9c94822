#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What small programs have resident with libarenite-malloc, beside what they have with the C library's malloc: the
# anonymous memory when they end, and the peak with the pages of files, the least of some runs each, in turn.  How
# many pages of a file are mapped around one that is touched is the kernel's choice and the page cache's state, so the
# second one has more room.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "$SANITIZE_FLAGS" ] || skip_all "a sanitizer has names of its own"
library=$(cd "$top_builddir/lib/.libs" && pwd)/libarenite-malloc.so
[ -e "$library" ] || skip_all "built without shared libraries"
[ "$(getconf PAGESIZE)" = 4096 ] || skip_all "the bounds are for pages of 4 KiB"
cd "$work" || exit 1

# resident PRELOAD PROGRAM...: KiB of anonymous memory at the end of the program, and its peak in all.  The parent of
# the measured process is small.
cat >resident.c <<'EOF'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long anonymous_of(pid_t pid)
{
	char line[256];
	long kib = 0;
	FILE *f;

	snprintf(line, sizeof line, "/proc/%d/smaps_rollup", pid);
	f = fopen(line, "r");
	while (f && fgets(line, sizeof line, f))
		sscanf(line, "Anonymous: %ld", &kib);
	return kib;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int status, sig;
	long kib = 0;
	pid_t child = fork();

	if (child == 0) {
		if (*argv[1])
			setenv("LD_PRELOAD", argv[1], 1);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(126);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	while (wait4(child, &status, 0, &usage) == child && WIFSTOPPED(status)) {
		sig = WSTOPSIG(status);
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
			kib = anonymous_of(child);
		if (sig == SIGTRAP)
			ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_TRACEEXIT);
		ptrace(PTRACE_CONT, child, NULL, (void *)(long)(sig == SIGTRAP ? 0 : sig));
	}
	printf("%ld %ld\n", kib, usage.ru_maxrss);
	return status != 0;
}
EOF
# shellcheck disable=SC2086 # CC is a list of words
$CC -O1 -w -o resident resident.c || skip_all "no compiler"
read -r kib _ < <(./resident "" true)
[ "${kib:-0}" -gt 0 ] || skip_all "no ptrace, or no smaps_rollup"

# The library's file is about 240 KiB of the peak, and of other files more is mapped around what it touches.
files=1000
check() { # MOST PROGRAM...
	local most=$1 r kib peak anonymous=(999999 999999) peaks=(999999 999999)
	shift
	type -P "$1" >/dev/null || { skip "$*" "not installed"; return; }
	for r in 0 1 0 1 0 1 0 1 0 1 0 1 0 1; do
		read -r kib peak < <(./resident "$([ $r = 0 ] || echo "$library")" "$@" 2>>err | tail -n 1)
		anonymous[r]=$((kib > 0 && kib < anonymous[r] ? kib : anonymous[r]))
		peaks[r]=$((peak > 0 && peak < peaks[r] ? peak : peaks[r]))
	done
	echo "anonymous ${anonymous[*]} KiB, peak ${peaks[*]}" >"$work/log"
	[ "${anonymous[1]}" -lt 999999 ] && [ "${peaks[1]}" -lt 999999 ] &&
		[ "${anonymous[1]}" -le $((anonymous[0] + most)) ] && [ "${peaks[1]}" -le $((peaks[0] + most + files)) ]
	result $? "$*: $((anonymous[1] - anonymous[0])) KiB more than with the C library's malloc, at most $most;$(
	) $((peaks[1] - peaks[0])) with files"
}

check 200 true
check 200 sh -c :
check 200 git --version
check 200 perl -e 1
check 400 /usr/bin/python3 -c pass
done_testing
