#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Under ulimit -v, from the start of the process: memory ends as NULL, never as a crash, and nothing is lost by it.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
program=$top_builddir/t/api/limited
began=0
ulimit -c 0

[ -z "$SANITIZE_FLAGS" ] || skip_all "a sanitizer needs address space of its own"

# At first hardly more than what the loader maps; then in steps that cut arenas at different places.
for mib in 14 20 40 64 77 90 104 117 130 150 170 200 240 290; do
	out=$(
		ulimit -v $((mib * 1024)) 2>/dev/null || exit 99
		timeout 60 "$program" 2>&1
		exit $?
	)
	status=$?
	case $status in
	0) began=$((began + 1)) ;;
	3) out="not enough to begin with" ;;
	127) [[ $out == *"loading shared libraries"* ]] && status=3 ;; # the loader's own words
	99) status=3 out="no such limit here" ;;
	esac
	[ $status = 0 ] || [ $status = 3 ]
	result $? "$mib MiB: exit $status: ${out##*$'\n'}"
done
[ $began -ge 6 ]
result $? "$began of them were enough to begin with"
done_testing
