#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A program that embeds Python, t/python/embed/embed.c, with the flags of arenite-python.pc: Arenite shared and static,
# Python shared and static, as far as this machine has headers and libraries of a Python.  PYTHONS may name
# more of them.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
build=$(cd "$top_builddir" && pwd)

# Installed, the libraries of --disable-shared stand alone in their directory.
mkdir "$work/static"
ln -s "$build"/lib/.libs/libarenite.a "$build"/lib/.libs/libarenite-python.a "$work/static/"

flags() { # LIBDIR PKG_CONFIG_FLAG...
	PKG_CONFIG_PATH=$build${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} pkg-config --define-variable=libdir="$1" \
		--define-variable=includedir="$(cd "$top_srcdir" && pwd)/include" "${@:2}" arenite-python
}

# What a Python says of itself: words in the order of the names here
ask() { # PYTHON
	"$1" - <<'END'
import sysconfig, sys
get = sysconfig.get_config_var
print("version", get("LDVERSION"))
print("gil", "no" if get("Py_GIL_DISABLED") else "yes")
print("include", sysconfig.get_path("include"))
print("directories", get("LIBPL"), get("LIBDIR"), f"{get('LIBDIR')}/{get('MULTIARCH')}")
print("libs", get("LIBS"), get("SYSLIBS"), get("LIBM"))
print("home", sys.base_prefix)
END
}

value() { # NAME
	sed -n "s/^$1 //p" "$work/says"
}

library() { # FILE: where this Python has it
	local directory
	for directory in $(value directories); do
		[ ! -e "$directory/$1" ] || { echo "$directory/$1"; return; }
	done
}

compile() { # PROGRAM SOURCE PYTHON_LIBRARY FLAG...
	local kind=
	[ "${3##*.}" != a ] || kind=-no-pie # as Debian's was built
	# lists of words
	# shellcheck disable=SC2046,SC2086
	$CC -O1 $kind -I"$(value include)" -o "$1" "$2" "${@:4}" "$3" -Wl,-rpath,"$(dirname "$3")" -rdynamic \
		$(value libs) >"$work/log" 2>&1
}

source=$top_srcdir/t/python/embed/embed.c
printf '#include <Python.h>\nint main(void) { Py_Initialize(); return Py_FinalizeEx(); }\n' >"$work/plain.c"

links() { # PYTHON_LIBRARY: by itself; it may lack libraries of its own
	compile "$work/plain" "$work/plain.c" "$1"
}

served="install: in place
running: mem served, object served"
covered() { # GIL: debug hooks go on top; in a free-threaded build objects are then CPython's
	local object="left: debug hooks are on top, which look for CPython's own pages around an object"
	[ "$1" = no ] || object=covered
	printf '%s\n' "install: in place" "running: mem covered, object $object"
}

# Threads, strings and modules with static state
script='import json, threading, datetime
box = []
def work(): box.append(json.dumps([str(i) * 3 for i in range(20000)]))
threads = [threading.Thread(target=work) for i in range(3)]
for t in threads: t.start()
for t in threads: t.join()
assert len(set(box)) == 1 and datetime.datetime.now()'

runs() { # PROGRAM ROUNDS WANTED
	local round wanted=
	for ((round = 0; round < $2; round++)); do wanted+="$3"$'\n'; done
	PYTHONHOME=$(value home) timeout 60 "$1" "$script" "$2" >"$work/log" 2>&1 &&
		[ "$(cat "$work/log")" = "${wanted%?}" ]
}

try() { # NAME PYTHON_LIBRARY FLAG...
	local name=$1 python=$2
	shift 2
	compile "$work/program" "$source" "$python" "$@" && runs "$work/program" 1 "$served"
	result $? "$name: runs on Arenite"
	runs "$work/program" 4 "$served"
	result $? "$name: four interpreters, one after the other"
	compile "$work/program" "$source" "$python" -DEMBED_DEBUG_HOOKS "$@" &&
		runs "$work/program" 2 "$(covered "$(value gil)")"
	result $? "$name: with debug hooks on top"
}

try_late() { # NAME PYTHON_LIBRARY FLAG...
	$CC -O1 -o "$work/late" "$top_srcdir/t/python/embed/late.c" "${@:3}" >"$work/log" 2>&1 &&
		PYTHONHOME=$(value home) timeout 60 "$work/late" "$2" "$script" >"$work/log" 2>&1
	result $? "$1: loaded while the program runs"
}

# Programs that know nothing of us: t/python/embed/plugin.c under arenite run, in every order of what it may do.
try_plugin() { # LIBPYTHON
	local mode served='"mem": "served", "object": "served"'
	$CC -O1 -o "$work/plugin" "$top_srcdir/t/python/embed/plugin.c" -ldl >"$work/log" 2>&1
	for mode in global local; do
		plugin_says "$served" "$1" $mode 1
		result $? "python $version, RTLD_${mode^^}, loaded late: runs on Arenite"
		plugin_says "$served" "$1" $mode 3
		result $? "python $version, RTLD_${mode^^}, loaded late: three interpreters, one after the other"
		PYTHONMALLOC=malloc plugin_says '"mem": "removed"' "$1" $mode 1
		result $? "python $version, RTLD_${mode^^}, loaded late: PYTHONMALLOC takes it out"
	done
	ARENITE_DISABLE=1 plugin_says '' "$1" local 1
	result $? "python $version, loaded late: ARENITE_DISABLE=1 leaves it alone"
}

plugin_says() { # TEXT LIBPYTHON MODE ROUNDS
	rm -f "$work/stats"
	PYTHONHOME=$(value home) timeout 60 "$build/arenite" run --stats=json:"$work/stats" "$work/plugin" "${@:2}" \
		>"$work/log" 2>&1 && [ ! -s "$work/log" ] || return 1
	if [ -n "$1" ]; then grep -q "$1" "$work/stats"; else [ ! -e "$work/stats" ]; fi
}

try_disabled() { # the program of the last try
	local wanted="install: disabled"
	ARENITE_DISABLE=1 "$work/program" pass >"$work/log" 2>&1
	[ "$(cat "$work/log")" = "$wanted" ]
	result $? "ARENITE_DISABLE=1 is told to the program"
}

try_python() { # PYTHON
	local version shared static
	ask "$1" >"$work/says" 2>"$work/log" || { skip "$1" "it does not run"; return; }
	version=$(value version)
	shared=$(library "libpython$version.so") static=$(library "libpython$version.a")
	if [ ! -e "$(value include)/Python.h" ] || [ -z "$shared$static" ]; then
		skip "python $version" "no headers or no library of it"
		return
	fi
	for python in $shared $static; do
		links "$python" || { skip "python $version, ${python##*.}" "it does not link by itself"; continue; }
		# shellcheck disable=SC2046 # lists of words
		try "python $version, ${python##*.}, arenite shared" "$python" \
			$(flags "$build/lib/.libs" --cflags --libs)
		# shellcheck disable=SC2046
		try "python $version, ${python##*.}, arenite static" "$python" \
			$(flags "$work/static" --static --cflags --libs)
		try_disabled
	done
	# shellcheck disable=SC2046
	[ -z "$shared" ] || try_late "python $version" "$shared" $(flags "$build/lib/.libs" --cflags --libs)
	[ -z "$shared" ] || try_plugin "$shared"
}

if ! command -v pkg-config >/dev/null; then
	skip "embedding" "no pkg-config"
elif [ -n "$SANITIZE_FLAGS" ]; then
	skip "embedding" "Python is not built with the sanitizer"
else
	while read -r python _; do
		try_python "$python"
	done < <(PYTHONS="${PYTHONS:-} ${PYTHON_STOCK:-}" pythons)
fi
done_testing
