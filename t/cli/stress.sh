#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The stress tool, short, in several shapes; and that it notices when something is wrong.
#
# ARN_TEST_FORKS  so many forks in a row; a hundred thousand take ten minutes
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
arenite=${ARN_TEST_ARENITE:-$top_builddir/arenite}
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
ulimit -c 0
: "${ARN_TEST_FORKS:=1000}"
seed=${ARN_TEST_SEED:-$(date +%s)}
echo "# ARN_TEST_SEED=$seed"

runs() { # DESCRIPTION OPTIONS...
	timeout 1800 "$arenite" stress --seed "$seed" "${@:2}" >"$work/out" 2>&1 && grep -q ' stress: ok: ' "$work/out"
	result $? "$1"
}

# The tool or the library must object; more than one shape of failure is right.
notices() { # WHAT OPTIONS...
	ARN_STRESS_SABOTAGE=$1 timeout 120 "$arenite" stress --seconds 5 --seed "$seed" "${@:2}" >"$work/out" 2>&1
	local status=$?
	[ $status -ne 0 ] && [ $status -ne 124 ] && grep -q '^arenite' "$work/out"
	result $? "notices: $1"
}

runs "one thread" --seconds 1 --threads 1 --walk
runs "four threads" --seconds 2 --walk
runs "sixteen threads" --seconds 2 --threads 16 --walk
# gcc's AddressSanitizer leaves its allocator's lock taken in the child of a busy process.
fork=--fork
case ${SANITIZE_FLAGS:-} in *address*) fork= ;; esac
runs "forks" --seconds 3 --walk $fork
runs "with statistics only" --seconds 1 --threads 2
ARENITE_CHECKS=3 runs "with all checks of the library" --seconds 2 --walk $fork
ARENITE_PROFILE=64K runs "with a profile" --seconds 2 --walk $fork
ARENITE_PROFILE=1 runs "with a profile of every block" --seconds 2 --walk $fork
if [ -z "${SANITIZE_FLAGS:-}" ]; then
	ARENITE_GUARD=1 runs "with each block guarded" --seconds 2 --walk --fork
	ARENITE_GUARD=2 ARENITE_PROFILE=4K runs "with each second sample guarded" --seconds 2 --walk
	ARENITE_PROFILE=4K runs "a storm of forks with a profile" --forks $((ARN_TEST_FORKS / 5)) --threads 2
	runs "a storm of forks: $ARN_TEST_FORKS" --forks "$ARN_TEST_FORKS" --threads 2
	# Slow paths only, and heaps that check themselves: threads are caught where it matters, and it shows.
	ARENITE_CHECKS=3 runs "and as many with all checks" --forks "$ARN_TEST_FORKS" --threads 2
	notices corrupt --forks 1000000 --threads 2
else
	skip "a storm of forks" "a sanitizer does not outlive the fork of a busy process"
fi
notices lose
notices lose --walk
notices double
notices corrupt
done_testing
