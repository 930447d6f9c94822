#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A program that has another layout compiled in than the library that it comes to is not started.  And the layout does
# not depend on how many size classes there are.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${SANITIZE_FLAGS:=}"
library=${ARN_TEST_LIBDIR:-$top_builddir/lib/.libs}
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"

# As the graft does it, with its own line
{
    echo '#include <arenite/arenite.h>'
    echo '#include <stdio.h>'
    grep 'arenite_layout = &arn_layout' "$top_srcdir/lib/graft/static.c"
    echo 'int main(void) { return puts(arn_version()) < 0; }'
} >"$work/program.c"
mkdir -p "$work/theirs/arenite"
sed 's/^#define ARN_LAYOUT_OWNER .*/#define ARN_LAYOUT_OWNER 7/' "$top_srcdir/include/arenite/arenite.h" \
    >"$work/theirs/arenite/arenite.h"

program() { # NAME INCLUDE DIRECTORY
    # shellcheck disable=SC2086 # flags in words
    $CC $SANITIZE_FLAGS -o "$work/$1" -I"$2" "$work/program.c" "$3/libarenite.so.0" >"$work/log" 2>&1
}
other_library() {
    cat >"$work/theirs/library.c" <<'END'
#include <arenite/arenite.h>
const char arn_layout = 1;
const char *arn_version(void) { return "other"; }
END
    $CC -shared -fPIC -Wl,-soname,libarenite.so.0,--version-script="$top_srcdir/lib/arenite.map" \
        -I"$work/theirs" -o "$work/theirs/libarenite.so.0" \
        "$work/theirs/library.c" >"$work/log" 2>&1
}
starts() { LD_LIBRARY_PATH=$2 "$work/$1" >"$work/out" 2>"$work/err"; }
refused() {
    ! starts "$@" && [ "$(wc -l <"$work/err")" = 1 ] && grep -q 'arn_layout_' "$work/err"
}

# types.h compares the layout with what is published, when it is compiled.
fits() { # CLASSES
    mkdir -p "$work/sources/arena"
    sed "s/^#define CLASSES .*/#define CLASSES $1/" "$top_srcdir/lib/arena/sizeclass.h" \
        >"$work/sources/arena/sizeclass.h"
    printf '#include "heap/types.h"\nstatic_assert(CLASSES == %s, "the changed header");\n' "$1" >"$work/types.c"
    $CC -std=gnu11 -D_GNU_SOURCE -include "$top_builddir/config.h" -I"$work/sources" -I"$top_srcdir/include" \
        -I"$top_srcdir/lib" -fsyntax-only "$work/types.c" >"$work/log" 2>&1
}

ok "two more size classes leave the layout as it is" fits 70
ok "so do many more" fits 200
ok "a library with another layout" other_library
ok "a program for the one that we have" program same "$top_srcdir/include" "$library"
ok "a program for the other" program other "$work/theirs" "$work/theirs"
ok "starts with ours" starts same "$library"
ok "starts with its own" starts other "$work/theirs"
ok "the other is not started with ours, and one line says so" refused other "$library"
ok "nor ours with the other" refused same "$work/theirs"
done_testing
