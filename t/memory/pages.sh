#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Pages of 16 and 64 KiB, as aarch64 and others have them: t/memory/kernel.c pretends such a kernel, and no live block
# may lose a byte under it, though everything that is free is given back at once.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "${SANITIZE_FLAGS:-}" ] || skip_all "a sanitizer has calls of its own to the system"
[ "$(getconf PAGESIZE)" = 4096 ] || skip_all "the pages here are larger as they are"
ulimit -c 0
arenite=${ARN_TEST_ARENITE:-$top_builddir/arenite}
export ARN_TEST_SEED=${ARN_TEST_SEED:-$(date +%s)}
echo "# ARN_TEST_SEED=$ARN_TEST_SEED"

$CC -std=gnu11 -O1 -Wall -Wextra -D_GNU_SOURCE -shared -fPIC -o "$work/kernel.so" "$top_srcdir/t/memory/kernel.c" \
	>"$work/log" 2>&1
result $? "the kernel of the test compiles"

# Nothing stays resident that need not: all that can go back does, and at once.
under() { # PAGE PROGRAM ARGUMENTS...
	local page=$1
	shift
	LD_PRELOAD="$work/kernel.so" ARN_TEST_PAGE=$page ARENITE_RETAIN=0 ARENITE_RETAIN_PERCENT=0 \
		timeout 120 "$@" >"$work/out" 2>"$work/err"
}

for page in 16384 65536; do
	under $page "$arenite" stress --seconds 1 --threads 4 --walk --seed "$ARN_TEST_SEED"
	result $? "pages of $((page / 1024)) KiB: threads pass blocks around"
	for program in ops sweep readers; do
		under $page "$top_builddir/t/unit/$program.t"
		result $? "pages of $((page / 1024)) KiB: t/unit/$program.c"
	done
done
done_testing
