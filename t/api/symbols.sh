#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The shared libraries export what lib/arenite.map, lib/arenite-python.map and lib/arenite-malloc.map say, in these
# versions, and nothing else; and that is what the headers declare.
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
malloc=${library%.so}-malloc.so
if [ -e "$malloc" ]; then
	names=$(sed -n 's/^\t\t\([A-Za-z_0-9]*\);$/\1/p' "$top_srcdir/lib/arenite-malloc.map" | sort)
	libc_has_no() { # NAME
		! grep -q "\<struct $1\>" /usr/include/malloc.h
	}
	for name in mallinfo mallinfo2; do
		! libc_has_no "$name" || names=$(grep -vx "$name" <<<"$names")
	done
	same "libarenite-malloc exports what lib/arenite-malloc.map lists, without a version" "$names" \
		"$(nm -D --defined-only "$malloc" | awk '{ print $3 }' | sort)"
	same "it cannot do without the core of its release" "U arn_private_${version}_process_serve_malloc" \
		"$(nm -D --undefined-only "$malloc" | sed -n 's/^ *U arn_private_/U arn_private_/p')"
	none "nothing of it is bound to another of its own names by the loader" eval \
		"nm -D --undefined-only '$malloc' | grep -E ' (malloc|free|realloc|memalign|_Z[a-zA-Z0-9_]*)(@|$)'"
	none "its variables of a thread are reached without a call" \
		eval "nm -D '$malloc' '$library' | grep __tls_get_addr"
else
	skip "libarenite-malloc" "a sanitizer build has none"
fi
done_testing
