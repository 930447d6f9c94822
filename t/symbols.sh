#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The shared library exports the functions of arenite.h, listed in t/symbols.list, and nothing else.  A new
# function goes into both; a name that leaves either breaks somebody's program.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
library=${ARN_TEST_LIBDIR:-$top_builddir/lib/.libs}/libarenite.so
list=$top_srcdir/t/symbols.list
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0

same() { # DESCRIPTION WANTED IS
	n=$((n + 1))
	if diff "$2" "$3" >"$work/diff"; then
		echo "ok $n - $1"
	else
		failed=1
		echo "not ok $n - $1"
		sed 's/^/# /' "$work/diff"
	fi
}

export LC_ALL=C
# Sanitizers add names of their own, all with two underscores.  arn_private_: lib/base.h
nm -D --defined-only "$library" | awk '$3 !~ /^(__|arn_private_)/ { print $3 }' | sort >"$work/exported"
# Declarations, which may run over several lines; comments and types do not count.
sed 's://.*::; s:/\*.*\*/::' "$top_srcdir/include/arenite/arenite.h" | tr '\n' ' ' | grep -o 'ARN_API [^;]*;' |
	grep -o 'arn_[a-z_]* *(' | tr -d ' (' | sort -u >"$work/declared"
sort -u "$list" >"$work/list"

same "t/symbols.list is sorted, without doubles" "$work/list" "$list"
same "the library exports what t/symbols.list says" "$list" "$work/exported"
same "arenite.h declares what t/symbols.list says" "$list" "$work/declared"

# What a preload brings into every process; setlocale: lib/python/again.h
nm -D --defined-only "${library%.so}-python.so" | awk '$3 !~ /^__/ { print $3 }' | sort >"$work/exported"
printf '%s\n' arn_python_install arn_python_state setlocale >"$work/list"
same "libarenite-python exports what python.h declares, and setlocale" "$work/list" "$work/exported"
echo "1..$n"
exit $failed
