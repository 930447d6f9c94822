#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# arenite stats, top, metrics and trim on processes that run.  ARN_TEST_SECONDS is how long readers look at a process
# that allocates in eight threads.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
build=$(cd "$top_builddir" && pwd) top=$(cd "$top_srcdir" && pwd)
arenite=$build/arenite
cd "$work" || exit 1
unset ARENITE_STATS ARENITE_PAGE

started=()
stop() {
	[ ${#started[@]} -eq 0 ] || kill -KILL "${started[@]}" 2>/dev/null
	rm -rf "$work"
}
trap stop EXIT

start() { # COMMAND...
	: >ready
	"$@" >ready 2>>err &
	pid=$!
	disown $pid
	started+=($pid)
	for _ in $(seq 500); do
		[ ! -s ready ] || break
		sleep 0.02
	done
}

has() { # FILE PATTERN...
	local pattern
	for pattern in "${@:2}"; do grep -qE "$pattern" "$1" || return 1; done
}

start "$build/t/api/report" 60 30
"$arenite" stats $pid >out 2>err
result $? "stats PID"
ok "has what is live, and RSS" has out "process $pid," "  mem +[0-9]{5}" "all of the process \(RSS\) +[0-9]+\.[0-9]"
"$arenite" stats --json $pid >out 2>err
result $? "stats --json PID"
ok "has the same" has out "\"pid\": $pid," '"live_blocks.mem": [0-9]{5}' '"process_bytes": [0-9]{8}'
awk -F '[:,]' '/"(resident_bytes\.|other_bytes|files_bytes)/ { sum += $2 } /"process_bytes"/ { rss = $2 }
	END { exit !(rss > 0 && sum > rss * 0.98 && sum < rss * 1.02) }' out
result $? "whose rows sum to RSS"
ARENITE_PAGE=0 "$build/t/api/report" 60 1 >/dev/null 2>&1 &
without=$!
disown $without
started+=($without)
"$arenite" stats >out 2>err
has out "^ +$pid .* report$" && ! has out "^ +$without "
result $? "stats lists processes that have a page"
fails() { # MESSAGE STATUS COMMAND...
	"$arenite" "${@:3}" >out 2>err
	[ $? = "$2" ] && has err "$1"
}
ok "of one without it says so" fails "process $without: .*ARENITE_PAGE" 1 stats $without
ok "of none, too" fails "no such process" 1 stats 99999999
ok "a word is no process" fails '"x" is not the number' 2 stats x
ok "nor can top look at none" fails "no such process" 1 top 99999999

"$arenite" top --count 3 >out 2>err
result $? "top where there is no terminal"
[ "$(grep -c '^ *PID' out)" = 3 ] && [ "$(grep -c "^ *$pid " out)" = 3 ]
result $? "prints a heading and lines for each look"
awk -v pid=$pid '$1 == pid { rate = $6 } END { exit !(rate > 1) }' out
result $? "with what is made each second"
"$arenite" top --count 1 >out 2>err
awk '$1 ~ /^[0-9]+$/ { if (n++ && $2 > before) exit 1; before = $2 }' out
result $? "the largest first"

# What the parser of Prometheus asks for: a family's lines are together, TYPE comes first, names end as they have to.
"$arenite" metrics >out 2>err
result $? "metrics"
[ "$(tail -n 1 out)" = "# EOF" ] && awk '
	/^# EOF$/ { next }
	/^# TYPE / { if (seen[$3]++) exit 1; family = $3; type = $4; next }
	/^# / { if ($3 != family) exit 1; next }
	{
		name = $1; sub(/\{.*/, "", name)
		wanted = family (type == "counter" ? "_total" : type == "info" ? "_info" : "")
		if (name != wanted || $0 !~ /^[a-z_]+\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\} [0-9]+$/) exit 1
	}' out
result $? "is OpenMetrics"
for metric in 'arenite_resident_bytes\{.*cause="live"' 'arenite_live_bytes\{.*tag="mem"' \
	'arenite_live_blocks\{.*tag="gc"' 'arenite_arena_bytes\{' 'arenite_purged_bytes_total\{' \
	'arenite_limit_bytes\{' 'arenite_refusals_total\{' \
	'arenite_heaps\{.*state="owned"' 'arenite_build_info\{.*version="'; do
	ok "has ${metric//\\/}" has out "^$metric"
done
if python3 -c 'import prometheus_client' 2>/dev/null; then
	python3 -c 'import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
assert len(list(parse(sys.stdin.read()))) == 16' <out 2>err
	result $? "prometheus_client reads it"
else
	skip "prometheus_client reads it" "it is not here"
fi

ok "trim asks no program but Python" fails "is no Python" 1 trim $pid
kill -KILL $pid

# Readers beside a process that allocates in eight threads: the command says so if what it reads does not fit together.
# shellcheck disable=SC2016 # for the other shell
start sh -c 'echo ready; exec "$@"' sh "$arenite" stress --threads 8 --seconds $((${ARN_TEST_SECONDS:-2} + 20))
for _ in $(seq 100); do
	! "$arenite" stats $pid >out 2>&1 || break
	sleep 0.05
done
end=$((SECONDS + ${ARN_TEST_SECONDS:-2})) looks=0 torn=0
while [ $SECONDS -lt $end ]; do
	"$arenite" stats --json $pid >out 2>err || torn=$((torn + 1))
	looks=$((looks + 1))
done
[ $torn = 0 ] && [ $looks -gt 1 ]
result $? "$looks looks at a process with eight threads: nothing torn"
kill -KILL $pid

# Its descriptor is closed: the page is read from the memory of the process.
if [ -e "$build/lib/.libs/libarenite-malloc.so" ]; then
	# shellcheck disable=SC2016 # for the other bash
	start "$arenite" run --malloc bash -c 'exec 100>&-; echo ready; while :; do sleep 0.1; done'
	if [ -r "/proc/$pid/mem" ] && head -c 0 "/proc/$pid/mem" 2>/dev/null; then
		"$arenite" stats $pid >out 2>err
		result $? "a process that has closed the descriptor"
	else
		skip "a process that has closed the descriptor" "its memory may not be read"
	fi
	kill -KILL $pid
else
	skip "a process that has closed the descriptor" "a sanitizer build has no malloc"
fi

# A Python of 3.14 gives back what is free; an older one is said to be too old.
while read -r python version; do
	cat >wait.py <<-'END'
		import time
		kept = [{"a": i} for i in range(200_000)]
		del kept
		print("ready", flush=True)
		for _ in range(600):
		    time.sleep(0.1)
	END
	start "$arenite" run "$python" wait.py
	if ! "$arenite" stats $pid >out 2>err; then
		skip "trim: Python $version" "it does not run on Arenite"
	elif "$python" -c 'import sys; sys.exit(not hasattr(sys, "remote_exec"))'; then
		"$arenite" trim $pid >out 2>err
		result $? "trim: Python $version"
	else
		ok "trim: Python $version is too old" fails "older than 3.14" 1 trim $pid
	fi
	kill -KILL $pid
	if [ -n "${SANITIZE_FLAGS:-}" ]; then
		skip "Python $version: rows" "it looks at each page of the process, and a sanitizer maps terabytes"
		continue
	fi
	for flag in '' --malloc; do
		[ -e "$build/lib/.libs/libarenite-malloc.so" ] || [ -z "$flag" ] || continue
		# shellcheck disable=SC2086 # a flag, or none
		"$arenite" run $flag "$python" "$top/t/python/rows.py" >out 2>err
		result $? "Python $version${flag:+, $flag}: $(cat out)"
	done
done < <(pythons)
done_testing
