# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests of the command share: they source it and are then in $work, with an environment in which nothing is
# set that the command or Python reads.  $command is the function of the test that runs the command, with what it
# prints in the files out and err.
: "${top_srcdir:=.}" "${top_builddir:=.}"
build=$(cd "$top_builddir" && pwd)
top=$(cd "$top_srcdir" && pwd)
# shellcheck source=t/support/tap.sh
. "$top/t/support/tap.sh"
cd "$work" || exit 1
export ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-} # our library comes first
for name in LD_PRELOAD ${!ARENITE_*} ${!PYTHON*} MALLOC_CONF MIMALLOC_PURGE_DELAY; do
    unset "$name"
done

# The command in there/bin, and in there/lib/arenite the libraries for Python and for malloc, here empty ones
install_there() {
    mkdir -p there/bin there/lib/arenite
    cp "$build/arenite" there/bin/
    echo 'int arenite_python_of_this_test;' >lib.c
    ${CC:-cc} -shared -fPIC -o there/lib/arenite/libarenite-python.so lib.c
    ${CC:-cc} -shared -fPIC -o there/lib/arenite/libarenite-malloc.so lib.c
}

status_is() { # STATUS ARGUMENT...
    local want=$1 got=0
    "${command:?}" "${@:2}" || got=$?
    [ "$got" = "$want" ]
}
complains() { [ "$(wc -l <err)" = 1 ] && grep -q -- "$1" err; } # PATTERN: in one line
refused() { status_is "$1" "${@:3}" && complains "$2"; }        # STATUS PATTERN ARGUMENT...
