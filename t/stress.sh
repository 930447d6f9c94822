#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The stress tool, short, in several shapes; and that it notices when something is wrong.
set -u
: "${top_builddir:=.}"
arenite=${ARN_TEST_ARENITE:-$top_builddir/arenite}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0
ulimit -c 0
seed=${ARN_TEST_SEED:-$(date +%s)}
echo "# ARN_TEST_SEED=$seed"

report() { # OK DESCRIPTION
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		sed 's/^/# /' "$work/out"
	fi
}

runs() { # DESCRIPTION OPTIONS...
	timeout 120 "$arenite" stress --seed "$seed" "${@:2}" >"$work/out" 2>&1 && grep -q ' stress: ok: ' "$work/out"
	report $? "$1"
}

# The tool or the library must object; more than one shape of failure is right.
notices() { # WHAT OPTIONS...
	ARN_STRESS_SABOTAGE=$1 timeout 120 "$arenite" stress --seconds 5 --seed "$seed" "${@:2}" >"$work/out" 2>&1
	local status=$?
	[ $status -ne 0 ] && [ $status -ne 124 ] && grep -q '^arenite' "$work/out"
	report $? "notices: $1"
}

runs "one thread" --seconds 1 --threads 1 --walk
runs "four threads" --seconds 2 --walk
runs "sixteen threads" --seconds 2 --threads 16 --walk
runs "forks" --seconds 3 --walk --fork
runs "with statistics only" --seconds 1 --threads 2
ARENITE_CHECKS=3 runs "with all checks of the library" --seconds 2 --walk --fork
notices lose
notices lose --walk
notices double
notices corrupt
echo "1..$n"
exit $failed
