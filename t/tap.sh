# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the shell tests share; they source it.  Results in TAP, and a directory $work that is gone in the end.
# When a test fails, what stands in $work/log, out and err is shown.
#
#	cc ... >"$work/log" 2>&1
#	result $? "it compiles"
#	ok "it is there" test -x program
#	same "it has the symbols" "$wanted" "$is"
#	done_testing
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

same() { # DESCRIPTION WANTED IS: texts, and there is something wanted
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

done_testing() {
	echo "1..$n"
	exit $failed
}
