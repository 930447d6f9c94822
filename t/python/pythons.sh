#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# arenite run with every CPython of 3.11 or later that is found: in PATH, and what PYTHONS names.  Each starts, runs,
# ends, and is served, or says why not.  And what their processes say of their environment.
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
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
	has '"page_size_bytes": ' && { ! has '"python": ' || has '"mem": "served", "object": "(served|left)"'; }
}

# What a process says of its environment, and where
library=$(cd "$top_builddir" && pwd)/lib/.libs/libarenite-python.so
mistakes=(ARENITE_NO_SUCH_OPTION=1 ARENITE_RETAIN=much)
quiet() { # COMMAND...: not a word
	env "${mistakes[@]}" ARENITE_VERBOSE=1 LD_PRELOAD="$library" "$@" >"$work/out" 2>"$work/err" &&
		[ ! -s "$work/err" ]
}
says_once() { # COMMAND...: one line for each mistake
	env "${mistakes[@]}" "$@" >"$work/out" 2>"$work/err" && [ "$(wc -l <"$work/err")" = 2 ] &&
		grep -q NO_SUCH "$work/err" && grep -q RETAIN "$work/err"
}

# As setproctitle does
cat >"$work/title.py" <<'END'
import ctypes
entries = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
addresses = ctypes.cast(entries, ctypes.POINTER(ctypes.c_void_p))
i = 0
while addresses[i]:
    ctypes.memset(addresses[i], ord("x"), len(entries[i]))
    i += 1
END
survives_title() { # PYTHON
	rm -f "$work/stats"
	ARENITE_STATS=json:$work/stats LD_PRELOAD=$library "$1" "$work/title.py" >"$work/out" 2>"$work/err" &&
		[ ! -s "$work/err" ] && is_served
}

run_disabled() { # VALUE PYTHON
	rm -f "$work/stats"
	ARENITE_DISABLE=$1 "$arenite" run --stats=json:"$work/stats" "$2" -c pass >"$work/out" 2>"$work/err"
}
disabled() { # VALUE PYTHON
	run_disabled "$@" && [ ! -e "$work/stats" ] && [ ! -s "$work/err" ]
}
enabled() { # VALUE PYTHON
	run_disabled "$@" && is_served && [ ! -s "$work/err" ]
}
doubted() { # VALUE PYTHON
	run_disabled "$@" && is_served &&
		[ "$(grep -c '^arenite: ARENITE_DISABLE: "maybe" is none of these' "$work/err")" = 1 ]
}

# Address space for what Python itself needs, and not for an arena.  A free-threaded one maps as much as that itself.
starves() { # PYTHON
	rm -f "$work/stats"
	(
		ulimit -v "$(($(address_space "$1") + 20 * 1024))"
		ARENITE_STATS=json:$work/stats LD_PRELOAD=$library "$1" -c pass >"$work/out" 2>"$work/err"
	) && has '"mem": "left", "object": "left", "reason": "there is no address space for a first arena"'
}
address_space() { # PYTHON: in KiB, the most that it has taken
	"$1" -c 'print(next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmPeak")))'
}

try_environment() { # PYTHON
	local children="import subprocess, sys; [subprocess.run([sys.executable, '-c', 'pass']) for i in range(2)]"
	ok "a process without Python says nothing, whatever the environment" quiet sh -c "ls / | cat"
	ok "wrong names and values: Python says so, what it starts does not" \
		says_once env LD_PRELOAD="$library" "$1" -c "$children"
	ok "arenite run says it for all" says_once "$arenite" run sh -c "'$1' -c pass; '$1' -c pass; ls /"
	ok "a program that writes over its environment leaves its statistics all the same" survives_title "$1"
	ok "ARENITE_DISABLE=1 disables" disabled 1 "$1"
	ok "so does yes" disabled yes "$1"
	for value in no off false 0 ''; do
		ok "ARENITE_DISABLE=$value does not" enabled "$value" "$1"
	done
	ok "nor does what is no answer, and a line says so" doubted maybe "$1"
}

one='' gil=''
while read -r python version; do
	runs "$python"
	result $? "$version: $python runs under arenite run"
	ok "$version: and is served" is_served
	PYTHONMALLOC=default runs "$python"
	result $? "$version: and runs with CPython's own allocators under PYTHONMALLOC"
	! has '"python": ' || one=$python
	! has '"gil": true' || gil=$python
done < <(pythons)
[ -z "$one" ] || try_environment "$one"
[ -z "$gil" ] ||
	ok "where address space ends before the first arena Python runs without us, and that is said" starves "$gil"
[ "$n" -gt 0 ] || skip_all "no CPython of 3.11 or later"
done_testing
