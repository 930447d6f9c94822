#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The shared library exports the functions of arenite.h, listed in t/api/symbols.list, and nothing else.  A new
# function goes into both; a name that leaves either breaks somebody's program.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
library=${ARN_TEST_LIBDIR:-$top_builddir/lib/.libs}/libarenite.so
list=$top_srcdir/t/api/symbols.list
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
export LC_ALL=C

# Sanitizers add names of their own, all with two underscores.  arn_private_: lib/base/base.h; arn_layout: no function
exports() { # LIBRARY
	nm -D --defined-only "$1" | awk '$3 !~ /^(__|arn_private_|arn_layout_)/ { print $3 }' | sort
}

# Declarations, which may run over several lines; comments and types do not count.
declared() { # HEADER
	sed 's://.*::; s:/\*.*\*/::' "$1" | tr '\n' ' ' | grep -o 'ARN_API [^;]*;' | grep -o 'arn_[a-z_]* *(' |
		tr -d ' (' | sort -u
}

listed=$(cat "$list")
same "t/api/symbols.list is sorted, without doubles" "$(sort -u "$list")" "$listed"
same "the library exports what t/api/symbols.list says" "$listed" "$(exports "$library")"
same "arenite.h declares what t/api/symbols.list says" "$listed" "$(declared "$top_srcdir/include/arenite/arenite.h")"
# What a preload brings into every process; setlocale: lib/python/reinit.h
same "libarenite-python exports what python.h declares, and setlocale" \
	"$(printf '%s\n' arn_python_install arn_python_state setlocale)" "$(exports "${library%.so}-python.so")"
done_testing
