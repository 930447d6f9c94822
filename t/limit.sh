#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Under ulimit -v, from the start of the process: memory ends as NULL, never as a crash, and nothing is lost by it.
set -u
: "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
program=$top_builddir/t/limited
n=0 failed=0 began=0
ulimit -c 0

if [ -n "$SANITIZE_FLAGS" ]; then
	echo "1..0 # SKIP a sanitizer needs address space of its own"
	exit 0
fi

# At first hardly more than what the loader maps; then in steps that cut arenas at different places.
for mib in 14 20 40 64 77 90 104 117 130 150 170 200 240 290; do
	out=$(
		ulimit -v $((mib * 1024)) 2>/dev/null || exit 99
		timeout 60 "$program" 2>&1
		exit $?
	)
	status=$?
	n=$((n + 1))
	case $status in
	0) began=$((began + 1)) ;;
	3) out="not enough to begin with" ;;
	127) [[ $out == *"loading shared libraries"* ]] && status=3 ;; # the loader's own words
	99) status=3 out="no such limit here" ;;
	esac
	if [ $status = 0 ] || [ $status = 3 ]; then
		echo "ok $n - $mib MiB: ${out##*$'\n'}"
	else
		failed=1
		echo "not ok $n - $mib MiB: exit $status: ${out##*$'\n'}"
	fi
done
n=$((n + 1))
if [ $began -ge 6 ]; then
	echo "ok $n - $began of them were enough to begin with"
else
	failed=1
	echo "not ok $n - $began of them were enough to begin with"
fi
echo "1..$n"
exit $failed
