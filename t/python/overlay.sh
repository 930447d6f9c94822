#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The overlay compiles against the internal headers of every free-threaded CPython that has headers here, in the place
# of the bundled mimalloc's, and serves threads and interpreters that come and go: t/python/headers/overlay.c.
#
# Looked for in the directories of ARENITE_PYTHON_HEADERS, which is separated by colons (each has a Python.h), in
# /usr/include/python3.*, and beside the interpreters that quickstart keeps.  The headers of Debian's libpython3.X-dev
# will do, though they are those of a build with the GIL.
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${CXX:=c++}" "${SANITIZE_FLAGS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
overlay=$(cd "$top_srcdir/lib/graft" && pwd)
public=$(cd "$top_srcdir/include" && pwd)
program=$(cd "$top_srcdir/t/python/headers" && pwd)/overlay.c
library=$(cd "$top_builddir/lib/.libs" && pwd)
cache=${ARENITE_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/arenite}

# Directories with a mimalloc in them, each once
found() {
    local directory
    { tr : '\n' <<<"${ARENITE_PYTHON_HEADERS:-}"
        ls -d /usr/include/python3.* "$cache"/stock-*/include/python3.*; } 2>/dev/null |
        while read -r directory; do
            [ ! -f "$directory/internal/pycore_mimalloc.h" ] || (cd "$directory" && pwd -P)
        done | sort -u
}

# The headers in $work/Include, with the overlay's in the place of mimalloc's.
make_tree() { # DIRECTORY
    local under=$work/Include/internal
    rm -rf "$work/Include" "$work/mimalloc"
    cp -rL "$1" "$work/Include" && chmod -R u+w "$work/Include" &&
        cp "$overlay/mimalloc.h" "$under/mimalloc/" &&
        cp "$overlay/types.h" "$overlay/internal.h" "$under/mimalloc/mimalloc/" &&
        mkdir "$work/mimalloc" && cp "$overlay/static.c" "$work/mimalloc/"
}

# ../.. of DIRECTORY: Debian's pyconfig.h includes one of the architecture from there.
flags() { # DIRECTORY FLAG...
    local directory=$1
    shift
    include=(-DPy_BUILD_CORE -DPy_GIL_DISABLED=1 "-I$work" "-I$work/Include" "-I$work/Include/internal"
        "-I$work/Include/internal/mimalloc" "-I$public" "-I$directory/.." "$@")
    ! grep -q mi_subproc_t "$work/Include/internal/pycore_mimalloc.h" || include+=(-DWITH_SUBPROC)
}

compiles() { # FLAG...
    rm -f "$work/overlay.o"
    # shellcheck disable=SC2086 # words
    $CC -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wno-sign-compare -Werror \
        "${include[@]}" "$@" $SANITIZE_FLAGS -c -o "$work/overlay.o" "$program" >"$work/log" 2>&1
}
runs() {
    # shellcheck disable=SC2086 # words
    $CC $SANITIZE_FLAGS -o "$work/overlay" "$work/overlay.o" -L"$library" -larenite -lpthread \
        -Wl,-rpath,"$library" >"$work/log" 2>&1 && "$work/overlay" >"$work/log" 2>&1
}
unresolved() { nm -u "$work/overlay.o" 2>&1 | grep -E ' _?mi_|No such file'; }
compiles_as_cxx() { # STANDARD
    printf '#include "%s"\n' Python.h internal/pycore_interp.h internal/pycore_tstate.h >"$work/overlay.cpp"
    echo 'int main() { return sizeof(mi_page_t) == 0; }' >>"$work/overlay.cpp"
    $CXX -std="$1" "${include[@]}" -Werror -Wno-deprecated-declarations -fsyntax-only "$work/overlay.cpp" \
        >"$work/log" 2>&1
}
has_cxx() { command -v "${CXX%% *}" >/dev/null; }

mapfile -t directories < <(found)
[ ${#directories[@]} -gt 0 ] || skip_all "no headers of a CPython that has mimalloc; see ARENITE_PYTHON_HEADERS"
for directory in "${directories[@]}"; do
    version=$(sed -n 's/^#define PY_VERSION[ \t]*"\(.*\)".*/\1/p' "$directory/patchlevel.h")
    make_tree "$directory"
    flags "$directory"
    ok "$version: the overlay compiles" compiles
    none "$version: and nothing of mimalloc is left to be found" unresolved
    ok "$version: threads and interpreters come and go" runs
    ok "$version: it compiles in a debug build" compiles -DPy_DEBUG
    ok "$version: and works there" runs
    if has_cxx; then
        ok "$version: the headers are C++" compiles_as_cxx c++11
        ok "$version: of the newer kind, too" compiles_as_cxx c++20
    else
        skip "$version: the headers are C++" "no C++ compiler"
    fi
done
done_testing
