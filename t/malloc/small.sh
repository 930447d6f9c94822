#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What small programs have resident with libarenite-malloc, beside what they have with the C library's malloc: the
# least peak of some runs each, in turn.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "$SANITIZE_FLAGS" ] || skip_all "a sanitizer has names of its own"
library=$(cd "$top_builddir/lib/.libs" && pwd)/libarenite-malloc.so
[ -e "$library" ] || skip_all "built without shared libraries"
[ "$(getconf PAGESIZE)" = 4096 ] || skip_all "the bounds are for pages of 4 KiB"
cd "$work" || exit 1

# peak PRELOAD PROGRAM...: the peak of a child whose parent is small
cat >peak.c <<'EOF'
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (*argv[1])
			setenv("LD_PRELOAD", argv[1], 1);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	wait4(child, &status, 0, &usage);
	printf("%ld\n", usage.ru_maxrss);
	return status != 0;
}
EOF
# shellcheck disable=SC2086 # CC is a list of words
$CC -O1 -w -o peak peak.c || skip_all "no compiler"

# The library itself is about 230 KiB of that, and its records 70.
check() { # MOST PROGRAM...
	local most=$1 plain=999999 ours=999999 kib
	shift
	type -P "$1" >/dev/null || { skip "$*" "not installed"; return; }
	for _ in 1 2 3 4 5 6 7; do
		kib=$(./peak "" "$@" 2>>err | tail -n 1)
		plain=$((kib < plain ? kib : plain))
		kib=$(./peak "$library" "$@" 2>>err | tail -n 1)
		ours=$((kib < ours ? kib : ours))
	done
	echo "$plain KiB, with Arenite $ours" >"$work/log"
	[ "$ours" -gt 0 ] && [ "$ours" -le $((plain + most)) ]
	result $? "$*: $((ours - plain)) KiB more than with the C library's malloc, at most $most"
}

check 600 true
check 600 sh -c :
check 600 git --version
check 600 perl -e 1
# 508 to 616 in runs of a busy machine
check 700 /usr/bin/python3 -c pass
done_testing
