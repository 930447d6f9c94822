#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Does lib/python/layout.c find its way in the thread states of the CPython releases whose headers are here?  The
# directories in ARENITE_PYTHON_HEADERS, with colons between, and /usr/include/python3.*: those that have Python.h and
# the internal headers of 3.13 or later.  A build with the GIL installs the same headers as one without, but for
# pyconfig.h, so Py_GIL_DISABLED is defined here where that leaves it out.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"

version_of() { # DIRECTORY
    sed -n 's/^#define PY_VERSION[ \t]*"\(.*\)".*/\1/p' "$1/patchlevel.h"
}

has_internals() { # DIRECTORY
    local minor
    [ -f "$1/Python.h" ] && [ -f "$1/internal/pycore_qsbr.h" ] && [ -f "$1/internal/mimalloc/mimalloc.h" ] || return 1
    minor=$(sed -n 's/^#define PY_MINOR_VERSION[ \t]*//p' "$1/patchlevel.h")
    [ "${minor:-0}" -ge 13 ]
}

compile() { # DIRECTORY
    local disabled=
    # an include path of its own: the parent has what Debian's pyconfig.h includes
    grep -qs '^#define Py_GIL_DISABLED' "$1/pyconfig.h" || disabled=-DPy_GIL_DISABLED=1
    # shellcheck disable=SC2086 # flags in words
    ${CC:-cc} -std=gnu11 -D_GNU_SOURCE $disabled -I"$1" -I"$1/internal" -I"$1/.." -I"$top_srcdir/include" \
        -I"$top_srcdir/lib" ${SANITIZE_FLAGS:-} -o "$work/layout" "$top_srcdir/t/python/headers/layout.c" \
        "$top_srcdir/lib/python/layout.c" >"$work/log" 2>&1
}

measure() { # DIRECTORY
    compile "$1" && "$work/layout" >"$work/out"
}

IFS=: read -r -a given <<<"${ARENITE_PYTHON_HEADERS:-}"
for directory in "${given[@]}" /usr/include/python3.*; do
    has_internals "$directory" || continue
    rm -f "$work/log" "$work/out"
    ok "the layout of $(version_of "$directory") is found, and what was found is right" measure "$directory"
    cat "$work/out" 2>/dev/null
done
[ "$n" -gt 0 ] || skip_all "no headers of a CPython of 3.13 or later: set ARENITE_PYTHON_HEADERS"
done_testing
