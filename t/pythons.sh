#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# arenite run with every CPython of 3.11 or later that is found: in PATH, and what PYTHONS names.  Each starts, runs,
# ends, and is served, or says why not.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/tap.sh
. "$top_srcdir/t/tap.sh"
arenite=$(cd "$top_builddir" && pwd)/arenite
[ -z "$SANITIZE_FLAGS" ] || skip_all "Python is not built with the sanitizer"
for name in LD_PRELOAD ${!ARENITE_*} ${!PYTHON*}; do
	[ "$name" = PYTHONS ] || unset "$name"
done

# Threads, a child, modules with static state, and memory of every size
cat >"$work/script.py" <<'END'
import json, subprocess, sys, threading
box = []
def run(): box.append(json.dumps([str(i) * (i % 300) for i in range(5000)]))
threads = [threading.Thread(target=run) for i in range(3)]
for t in threads: t.start()
for t in threads: t.join()
assert len(set(box)) == 1
subprocess.run([sys.executable, "-S", "-c", "import sys; sys.exit(0)"], check=True)
print("ran")
END

runs() { # PYTHON: under arenite run, with its statistics in a file
	rm -f "$work/stats"
	timeout 60 "$arenite" run --stats=json:"$work/stats" "$1" "$work/script.py" >"$work/out" 2>"$work/err" &&
		[ "$(cat "$work/out")" = ran ] && [ ! -s "$work/err" ]
}

has() { # PATTERN: the statistics of the last run
	[ -s "$work/stats" ] && grep -qE "$1" "$work/stats"
}

# One that is built on Arenite has no preload, and so no member "python".
is_served() {
	has '"page_size": ' && { ! has '"python": ' || has '"mem": "served", "object": "(served|left)"'; }
}

while read -r python version; do
	runs "$python"
	result $? "$version: $python runs under arenite run"
	ok "$version: and is served" is_served
	PYTHONMALLOC=default runs "$python"
	result $? "$version: and runs with CPython's own allocators under PYTHONMALLOC"
done < <(pythons)
[ "$n" -gt 0 ] || skip_all "no CPython of 3.11 or later"
done_testing
