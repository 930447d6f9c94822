# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the shell tests share; they source it.  Results in TAP, and a directory $work that is removed at the end.
# When a test fails, the beginnings of $work/log, out and err are shown.
#
#	cc ... >"$work/log" 2>&1
#	result $? "it compiles"
#	ok "it is there" test -x program
#	same "it has the symbols" "$wanted" "$is"
#	done_testing
# Programs have the options that a test gives them, and not those of the user's environment.
unset ARENITE_CACHE ARENITE_CHECKS ARENITE_DOMAINS ARENITE_GUARD ARENITE_PROFILE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0

result() { # STATUS DESCRIPTION
	local file
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
		return
	fi
	failed=1
	echo "not ok $n - $2"
	for file in "$work/log" "$work/out" "$work/err"; do
		[ ! -s "$file" ] || head -n 40 "$file" | sed 's/^/# /'
	done
}

ok() { # DESCRIPTION COMMAND...
	"${@:2}"
	result $? "$1"
}

same() { # DESCRIPTION WANTED IS: two texts are the same, and the first is not empty
	diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") >"$work/log" && [ -n "$2" ]
	result $? "$1"
}

none() { # DESCRIPTION COMMAND...: its output lists the offenders
	"${@:2}" >"$work/log"
	[ ! -s "$work/log" ]
	result $? "$1"
}

skip() { # DESCRIPTION REASON
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

skip_all() { # REASON
	echo "1..0 # SKIP $1"
	exit 0
}

# Take over the lines of a program that speaks TAP.
checks() { # DESCRIPTION COMMAND...
	local line
	"${@:2}" >"$work/out" 2>"$work/err"
	result $? "$1 runs to its end"
	while read -r line; do
		case $line in "ok - "* | "not ok - "*)
			[ "${line%% - *}" = ok ]
			result $? "$1: ${line#*ok - }"
			;;
		esac
	done <"$work/out"
}

# Every CPython of 3.11 or later that PATH has, and those that PYTHONS names, each once: "PATH VERSION".
pythons() {
	local program
	local tell='import os, sys
v = sys.version_info
if v >= (3, 11) and sys.implementation.name == "cpython":
    print(os.path.realpath(sys.executable), "%d.%d.%d" % v[:3])'
	{
		tr ' ' '\n' <<<"${PYTHONS:-}"
		tr : '\n' <<<"$PATH" | while read -r directory; do
			ls "$directory"/python3 "$directory"/python3.[0-9]* 2>/dev/null
		done
	} | while read -r program; do
		[[ ${program##*/} == *-* ]] || [ ! -x "$program" ] ||
			timeout 20 "$program" -c "$tell" 2>/dev/null </dev/null
	done | sort -u
}

done_testing() {
	echo "1..$n"
	exit $failed
}
