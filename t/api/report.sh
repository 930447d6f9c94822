#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The statistics of whole processes: rows that sum to what the kernel says, a file that is written again and again and
# is whole when the process is killed, and processes that do not take each other's files away.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
program=$(cd "$top_builddir" && pwd)/t/api/report
cd "$work" || exit 1
unset ARENITE_STATS ARENITE_STATS_OWNER

# The number of a member; the second one of the name, if that is asked for.
number() { # FILE NAME
	grep -o "\"$2\": [0-9]*" "$1" | head -n 1 | sed 's/.*: //'
}

is_whole() { # FILE
	[ -s "$1" ] && head -n 1 "$1" | grep -qx '{' && tail -n 1 "$1" | grep -qx '}' &&
		[ "$(grep -o '[{}]' "$1" | sort | uniq -c | awk '{ print $1 }' | uniq | wc -l)" = 1 ]
}

# Start the program, and wait until it has its memory.
start() { # SECONDS MIB
	rm -f ready
	"$program" "$@" >ready 2>>err &
	pid=$!
	for _ in $(seq 500); do
		[ ! -s ready ] || break
		sleep 0.02
	done
}

wait_for() { # FILE
	for _ in $(seq 250); do
		[ ! -e "$1" ] || return 0
		sleep 0.02
	done
	return 1
}

# Killed, it leaves what was written last; what is beside the file is no half of another one.
ARENITE_STATS=json:killed.json,1s start 30 40
ok "a file is written while the process runs" wait_for killed.json
first=$(number killed.json time)
sleep 1.3
kill -KILL $pid
{ wait $pid; } 2>/dev/null
ok "after SIGKILL the last file is there and whole" is_whole killed.json
[ "$(number killed.json time)" -gt "$first" ] && [ "$(number killed.json pid)" = $pid ]
result $? "and it is not the first one"
[ "$(number killed.json live_bytes)" -gt $((30 << 20)) ]
result $? "with what was live"

# What the rows sum to, against what the kernel says of the process from outside.
ARENITE_STATS=json:rows.json,1s start 30 60
wait_for rows.json
kill -STOP $pid
rss=$(awk '/^VmRSS:/ { print $2 * 1024 }' /proc/$pid/status)
kill -KILL $pid
{ wait $pid; } 2>/dev/null
sum=0
for row in live cached remote waiting retired pinned retained metadata other files; do
	value=$(sed -n '/"resident"/,/}/p' rows.json | grep -o "\"${row}_bytes\": [0-9]*" | sed 's/.*: //')
	sum=$((sum + value))
done
echo "rows $sum, VmRSS $rss" >log
[ $sum -gt $((rss * 98 / 100)) ] && [ $sum -lt $((rss * 102 / 100)) ]
result $? "the rows sum to VmRSS, within 2 %"

# Two at once with one name, and one after the other
ARENITE_STATS=json:one.json start 0.7 4
one=$pid
ARENITE_STATS=json:one.json start 0.7 4
two=$pid
wait $one $two
files=$(echo one.json*)
[ "$(number one.json pid)" != "$(number one.json.* pid)" ]
result $? "two processes that end have a file each: $files"
rm -f one.json*
ARENITE_STATS=json:one.json,1s start 20 4
one=$pid
wait_for one.json
ARENITE_STATS=json:one.json "$program" 0 1 >out
[ "$(number one.json pid)" = $one ] && [ -e one.json.* ]
result $? "one that runs keeps its file"
kill -KILL $one
{ wait $one; } 2>/dev/null
rm -f one.json.*
ARENITE_STATS=json:one.json "$program" 0 1 >out
[ "$(number one.json pid)" != $one ] && [ "$(echo one.json*)" = one.json ]
result $? "when it is gone its file is replaced"

ARENITE_STATS=json:- "$program" 0 1 >out 2>err
grep -v ready out >json
ok "json:- is stdout" is_whole json
ARENITE_STATS=json:none/x.json,1s "$program" 1.5 1 >out 2>err
[ "$(grep -c "cannot write statistics, No such file or directory: none/x.json" err)" = 2 ]
result $? "what cannot be written is said once while it runs, and once at its end"
ARENITE_STATS=json:many,json,1s "$program" 0 1 >out 2>err
ok "a name may have commas" is_whole many,json
ARENITE_STATS=1 "$program" 0 1 >out 2>err
grep -qE "resident: all of the process \(RSS\) +[0-9]+\.[0-9][0-9] MiB" err && grep -q "  gc  *not used" err &&
	grep -q "  ARENITE_STATS=1" err
result $? "the table is in MiB, and says what was not used"
done_testing
