#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The Python module with every CPython of 3.11 or later that is found: in PATH, and what PYTHONS names.  Its functions
# where Arenite is and where it is not, and `python -m arenite`.  Nothing from PyPI is needed here; t/python/wheel.sh
# has what is.
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "$SANITIZE_FLAGS" ] || skip_all "Python is not built with the sanitizer"
for name in LD_PRELOAD ${!ARENITE_*} ${!PYTHON*}; do
	[ "$name" = PYTHONS ] || unset "$name"
done
top=$(cd "$top_srcdir" && pwd)
build=$(cd "$top_builddir" && pwd)
export PYTHONPATH=$top/lib/module PYTHONDONTWRITEBYTECODE=1
export PATH=$build:$PATH # there is the command

# The structs of the module are those of the headers.
fields_of_header() { # STRUCT
	sed -n "/^struct $1 {/,/^};/p" "$top/include/arenite/arenite.h" | sed 's:/\*.*::; s:^[[:space:]]*\*.*::' |
		sed -n 's/^[[:space:]]*size_t \(.*\);.*/\1/p' | tr ',' '\n' | tr -d ' '
}
fields_of_module() { # TUPLE
	awk -v name="$1" '$0 ~ "^" name " = \\(" { inside = 1; next } /^\)/ { inside = 0 } inside' \
		"$PYTHONPATH/arenite/_native.py" | tr -d ' ",'
}
same "struct arn_stats_tag" "$(fields_of_header arn_stats_tag)" "$(fields_of_module TAG_FIELDS)"
same "struct arn_stats" "$(fields_of_header arn_stats)" "$(fields_of_module STATS_FIELDS)
$(sed -n 's/^HEAPS_FIELD = "\(.*\)"/\1[ARN_TAGS]/p' "$PYTHONPATH/arenite/_native.py")
$(fields_of_module LATE_FIELDS)"
same "struct arn_resident" "$(fields_of_header arn_resident)" "$(fields_of_module RESIDENT_FIELDS)"
same "struct arn_trimmed" "$(fields_of_header arn_trimmed)" "$(fields_of_module TRIMMED_FIELDS)"

prints() { # WANTED ARGUMENT...: of python -m arenite
	local want=$1
	timeout 60 "$python" -m arenite "${@:2}" >"$work/out" 2>"$work/err" &&
		[ "$(tail -n 1 "$work/out")" = "$want" ] && [ ! -s "$work/err" ]
}

cd "$work" || exit 1
mkdir -p package bin
tell='import sys, os, arenite; print(arenite.active(), sys.argv[1:])'
echo "$tell" >app.py
echo "$tell" >package/__main__.py
printf '#!/bin/sh\necho program "$@"\n' >bin/program
chmod +x bin/program
found=0
while read -r python version; do
	found=$((found + 1))
	name="Python $version ($python)"
	checks "$name without Arenite" timeout 60 "$python" "$top/t/python/module.py" absent
	checks "$name" timeout 60 arenite run "$python" "$top/t/python/module.py" active
	if grep -q '^ARENITE_PROFILE=' <<<"$(arenite options)"; then
		checks "$name, profiled" \
			timeout 60 arenite run --profile=64K "$python" "$top/t/python/module.py" profiled
	else
		skip "$name, profiled" "this build has no profile"
	fi
	ok "$name: run SCRIPT" prints "True ['a', '--b']" run app.py a --b
	ok "$name: run -m MODULE" prints "True ['a']" run -m package a
	ok "$name: run -c CODE" prints "True ['a']" run -c "$tell" a
	ok "$name: run FOLDER" prints "True []" run package
	ok "$name: options of the interpreter" prints "True []" run -X faulthandler app.py
	ok "$name: options of run" prints 4M run --retain=4M -c \
		'import os; print(os.environ["ARENITE_RETAIN"])'
	ok "$name: this interpreter" prints "$python" run -c \
		'import os, sys; print(os.path.realpath(sys.executable))'
	ok "$name: another program" prints "program a" run bin/program a
	ok "$name: -- ends the options" prints "program --a" run -- bin/program --a
	ok "$name: doctor is about it" eval \
		'"$python" -m arenite doctor >"$work/out" && grep -q "CPython $version" "$work/out"'
	ok "$name: a limit under which Python would not start is refused" eval \
		'[ "$(arenite run --limit=1M "$python" -c "print(1)" 2>"$work/err")" = 1 ] &&
			grep -q "less than the 4M that Python needs to start" "$work/err"'
	ok "$name: -V" prints "$(arenite -V)" -V
	ok "$name: the same in a child" prints "True []" run -c \
		'import subprocess, sys; subprocess.run([sys.executable, "-m", "arenite", "run", "app.py"])'
	if [ "$found" = 1 ]; then
		ok "without a command: one line" eval '! PATH=$work/none "$python" -m arenite version 2>"$work/err" &&
			grep -q "not installed" "$work/err"'
	fi
done < <(pythons)
if command -v mypy >/dev/null; then
	# without what is not installed; with it `mypy` alone, in the folder of pyproject.toml, says as much
	flags="--no-site-packages --ignore-missing-imports --allow-subclassing-any"
	ok "mypy is content" eval '(cd "$top" && mypy --cache-dir "$work/mypy" $flags) >"$work/out"'
else
	skip "mypy is content" "no mypy"
fi
[ "$found" != 0 ] || skip "the module" "no Python of 3.11 or later"
done_testing
