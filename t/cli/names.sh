#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What Arenite counts has one name, and is everywhere: each row of a process's page is a metric of `arenite metrics`, a
# line of `arenite stats` and a member of the statistics at the exit; and the metrics of the Python module are the same.
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
for name in LD_PRELOAD ${!ARENITE_*} ${!PYTHON*}; do
	unset "$name"
done
top=$(cd "$top_srcdir" && pwd)
build=$(cd "$top_builddir" && pwd)
export PYTHONPATH=$top/lib/module PYTHONDONTWRITEBYTECODE=1 PATH=$build:$PATH
cd "$work" || exit 1
pid=
trap '[ -z "$pid" ] || kill $pid 2>/dev/null; rm -rf "$work"' EXIT

"$build/t/api/report" 60 1 >ready 2>&1 &
pid=$!
for _ in $(seq 500); do
	[ ! -s ready ] || break
	sleep 0.02
done
arenite stats --json $pid >page
arenite stats $pid >text
arenite metrics >all
grep "pid=\"$pid\"" all >metrics

# Rows of the page: each once, without what comes behind a dot.  What the page is about is no number of the process, and
# the command adds what the kernel says.
rows() {
	sed -n 's/^ *"\([a-z_]*\)[".].*/\1/p' page | sort -u |
		grep -vxE 'pid|program|version|started|updated|process_bytes|other_bytes|files_bytes|peak_process_bytes'
}
metrics() {
	sed -n 's/^arenite_\([a-z_]*\){.*/\1/p' metrics | sed 's/_total$//' | sort -u | grep -vx build_info
}
same "each row of the page is a metric, and there is no other" "$(rows)" "$(metrics)"
for row in $(rows | grep -vxE 'resident_bytes|live_bytes|live_blocks|heaps'); do
	name=$(sed -n "/^ROW(arenite_$row,/,/)\$/p" "$top/lib/cli/rows.def" | tr '\n' ' ' | cut -d '"' -f 6)
	ok "stats PID has $row" grep -qF "  $name " text
done
for cause in $(sed -n 's/^ *"resident_bytes\.\([a-z_]*\)".*/\1/p' page); do
	ok "metrics has the cause $cause" grep -q "resident_bytes.*cause=\"$cause\"" metrics
done

# The statistics at the exit have the limit among the options, and what is resident and live by other names.
ARENITE_STATS=json:json "$build/t/api/report" 0 1 >/dev/null 2>&1
for row in $(rows | grep -vxE 'resident_bytes|live_bytes|live_blocks|heaps|limit_bytes'); do
	ok "the statistics at the exit have $row" grep -q "^  \"$row\": " json
done

python=$(pythons | awk 'NR == 1 { print $1 }')
if [ -n "$python" ] && [ -z "$SANITIZE_FLAGS" ]; then
	arenite run "$python" -c 'from arenite._metrics import collect
for metric in collect():
    if metric.name not in ("arenite_active", "arenite_build_info"):
        print(metric.name.removeprefix("arenite_"))' 2>err | sort >out
	same "the Python module has the same metrics" "$(metrics)" "$(cat out)"
	arenite run "$python" -c 'from arenite import stats
print(*vars(type(stats())), sep="\n")' >out 2>err
	for row in $(rows | grep -vxE 'resident_bytes|limit_bytes'); do
		ok "arenite.stats() has $row" grep -qx "$row" out
	done
else
	skip "the Python module has the same metrics" "no Python of 3.11 or later"
fi
done_testing
