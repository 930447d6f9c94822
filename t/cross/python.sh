#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A CPython for 64-bit Arm on Arenite: cross-built from its sources, and run by qemu.
#
#   t/cross/python.sh --python-source DIR --with-build-python PROGRAM [TEST...]
#
# PROGRAM is an interpreter of the same version for the machine below, as `./quickstart python stock` makes one.
# Without TESTs, test_gc, test_free_threading and test_capi are run.  The build, in cross-python/ of the build
# directory, takes 5 minutes of a processor, and each of the tests some minutes.
#
#   ARN_CROSS_ROOT=DIR      where Debian's packages for arm64 are unpacked: t/cross/arm.sh
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
usage() {
    sed -n '/^#   t/s/^#   /usage: /p' "$0" >&2
    exit 2
}
python_source='' build_python='' tests=()
while [ $# -gt 0 ]; do
    case $1 in
    --python-source) python_source=${2-} && shift ;;
    --with-build-python) build_python=${2-} && shift ;;
    -*) usage ;;
    *) tests+=("$1") ;;
    esac
    shift
done
[ -f "$python_source/Include/patchlevel.h" ] && [ -x "$build_python" ] || usage
[ ${#tests[@]} -gt 0 ] || tests=(test_gc test_free_threading test_capi)
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
# shellcheck source=t/cross/arm.sh
. "$top_srcdir/t/cross/arm.sh"
top=$(cd "$top_srcdir" && pwd)
directory=$top_builddir/cross-python
mkdir -p "$directory/library" "$directory/object"
directory=$(cd "$directory" && pwd)
jobs=$(nproc)

logged() { "$@" >"$work/all" 2>&1 || { tail -n 30 "$work/all" >"$work/log" && false; }; }

configure_library() {
    cd "$directory/library" || return
    [ -e config.status ] || "$top/configure" "${cross_flags[@]}" --prefix="$directory/installed" -q || return
    make -s -j"$jobs" install
}
library() { (logged configure_library); }

graft() { # the command is one of that machine
    [ -d "$directory/source" ] || cp -a "$python_source" "$directory/source" || return
    # shellcheck disable=SC2086 # a command with its words
    logged $emulator "$directory/installed/bin/arenite" graft "$directory/source"
}

# What configure cannot try, since it cannot run what it builds
answers=(ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no ac_cv_buggy_getaddrinfo=no)
build() {
    cd "$directory/object" || return
    [ -e Makefile ] ||
        PKG_CONFIG_LIBDIR=$libraries/pkgconfig "$directory/source/configure" --host="$host" \
            --build="$("$directory/source/config.guess")" --with-build-python="$build_python" --disable-gil \
            --without-ensurepip OPT='-DNDEBUG -O1' \
            CPPFLAGS="-I$directory/installed/include $includes" LDFLAGS="-L$libraries -Wl,-rpath-link,$libraries" \
            LIBS="-L$directory/installed/lib -Wl,-rpath,$directory/installed/lib -larenite" \
            "${answers[@]}" || return
    make -j"$jobs"
}
python() { (logged build); }

# What is not in the C library's own root
paths=$libraries:/usr/$host/lib
# shellcheck disable=SC2086 # a command with its words
run() { $emulator -E LD_LIBRARY_PATH="$paths" "$directory/object/python" "$@"; }
is_grafted() {
    run -c 'import sys, gc
assert not sys._is_gil_enabled()
class A: pass
a = [A() for _ in range(1000)]
assert sum(type(o) is A for o in gc.get_objects()) == 1000
print(sys.version)' >"$work/log" 2>&1 && ARENITE_STATS=1 run -c pass 2>&1 | tee -a "$work/log" | grep -q 'live blocks'
}

# As regrtest tells it: "Total tests: run=175 (filtered) skipped=12"
passes() { # TEST
    # shellcheck disable=SC2086 # a command with its words
    timeout 3000 $emulator -E LD_LIBRARY_PATH="$paths" "$directory/object/python" -B \
        -m test --timeout 2000 -u-cpu "$1" >"$work/all" 2>&1 || {
        grep -E '^(FAIL|ERROR|Traceback|  File|[A-Za-z]*Error)' "$work/all" >"$work/log"
        tail -n 15 "$work/all" >>"$work/log"
        return 1
    }
    told=$(sed -n 's/^Total tests: //p' "$work/all")
}

ok "the library for $host" library
hit_paths() {
    ARN_TEST_MACHINE=${host%%-*} ARN_TEST_LIBDIR=$directory/installed/lib bash "$top/t/source/fastpath.sh" >"$work/log"
}
ok "its hit paths have neither calls nor barriers, and no more instructions than today" hit_paths
ok "a copy of the sources is grafted" graft
ok "CPython is built" python
ok "it runs, and the collector finds its objects in Arenite's heaps" is_grafted
for test in "${tests[@]}"; do
    told=
    passes "$test"
    result $? "$test${told:+: $told}"
done
done_testing
