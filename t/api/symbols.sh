#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The shared libraries export what lib/arenite.map and lib/arenite-python.map say, in these versions, and nothing else;
# and that is what the headers declare.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
library=${ARN_TEST_LIBDIR:-$top_builddir/lib/.libs}/libarenite.so
version=$(sed -n 's/^AC_INIT(\[arenite\], \[\(.*\)\])$/\1/p' "$top_srcdir/configure.ac")
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
export LC_ALL=C

# Sanitizers add names of their own, all with two underscores, and no version.  Nor has the version itself one.
exports() { # LIBRARY: NAME@VERSION, each
	nm -D --defined-only --with-symbol-versions "$1" | awk '$2 != "A" && $3 !~ /^__/ { print $3 }' |
		sed "s:@@:@:" | sort
}

# The names of a version script that are not patterns, NAME@VERSION
listed() { # MAP
	awk '/^[A-Z].*{$/ { version = $1 } /^\t\t[a-z_0-9]+;$/ { sub(/;/, "", $1); print $1 "@" version }' "$1" | sort
}

# Declarations, which may run over several lines; comments and types do not count.
declared() { # HEADER
	sed 's://.*::; s:/\*.*\*/::' "$1" | tr '\n' ' ' | grep -o 'ARN_API [^;]*;' | grep -o 'arn_[a-z_]* *(' |
		tr -d ' (' | sort -u
}

include=$top_srcdir/include/arenite
map=$(listed "$top_srcdir/lib/arenite.map")
map_python=$(listed "$top_srcdir/lib/arenite-python.map")
all=$(exports "$library")
same "the library exports what lib/arenite.map lists" "$map" "$(grep -v '^arn_private_\|^arn_layout_' <<<"$all")"
same "arenite.h declares the same" "$(sed 's/@.*//' <<<"$map")" "$(declared "$include/arenite.h")"
same "what is for libarenite-python has this release in its name" "arn_private_${version}_" \
	"$(grep '^arn_private_' <<<"$all" | grep -o '^arn_private_[0-9.]*_' | sort -u)"
same "the layout has a version" "ARENITE_0.1" "$(sed -n 's/^arn_layout_.*@//p' <<<"$all")"
same "libarenite-python exports what lib/arenite-python.map lists, and a setlocale that is found for every version" \
	"$map_python
setlocale" "$(exports "${library%.so}-python.so")"
same "python.h declares the same" "$(sed 's/@.*//' <<<"$map_python")" "$(declared "$include/python.h")"
same "libarenite-python asks for the core of its release, weakly" "w arn_private_${version}_" \
	"$(nm -D --undefined-only "${library%.so}-python.so" | sed -n 's/^ *[vw] \(arn_private_[0-9.]*_\).*/w \1/p' |
		sort -u)"
done_testing
