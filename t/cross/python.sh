#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A CPython for 64-bit Arm on Arenite: cross-built from its sources, and run by qemu.
#
#   t/cross/python.sh [--stock] --python-source DIR --with-build-python PROGRAM [TEST...]
#
# PROGRAM is an interpreter of the same version for the machine below, as `./quickstart python stock` makes one.
# Without TESTs, test_gc, test_free_threading and every module of test_capi are run.  The build, in cross-python/ of
# the build directory, takes 5 minutes of a processor, and most of the tests less than one.
#
# With --stock the sources are built as they are, in cross-stock/: a test that fails there as well is no fault of
# Arenite's, but of the emulator or of the cross-build.
#
#   ARN_TEST_SECONDS=900    how long a test may take
#   ARN_CROSS_ROOT=DIR      where Debian's packages for arm64 are unpacked: t/cross/arm.sh
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
usage() {
    sed -n '/^#   t/s/^#   /usage: /p' "$0" >&2
    exit 2
}
python_source='' build_python='' tests=() kind=graft name=cross-python
while [ $# -gt 0 ]; do
    case $1 in
    --stock) kind=stock name=cross-stock ;;
    --python-source) python_source=${2-} && shift ;;
    --with-build-python) build_python=${2-} && shift ;;
    -*) usage ;;
    *) tests+=("$1") ;;
    esac
    shift
done
[ -f "$python_source/Include/patchlevel.h" ] || usage
[ -x "$build_python" ] || usage
if [ ${#tests[@]} = 0 ]; then
    tests=(test_gc test_free_threading)
    for module in "$python_source"/Lib/test/test_capi/test_*.py; do
        module=${module##*/}
        tests+=("test_capi.${module%.py}")
    done
fi
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
# shellcheck source=t/cross/arm.sh
. "$top_srcdir/t/cross/arm.sh"
top=$(cd "$top_srcdir" && pwd)
directory=$top_builddir/$name
mkdir -p "$directory/library" "$directory/object"
directory=$(cd "$directory" && pwd)
jobs=$(nproc) seconds=${ARN_TEST_SECONDS:-900}

logged() { "$@" >"$work/all" 2>&1 || { tail -n 30 "$work/all" >"$work/log" && false; }; }

configure_library() {
    cd "$directory/library" || return
    [ -e config.status ] || "$top/configure" "${cross_flags[@]}" --prefix="$directory/installed" -q || return
    make -s -j"$jobs" install
}
library() { (logged configure_library); }

copy() { [ -d "$directory/source" ] || cp -a "$python_source" "$directory/source"; }
graft() { # the command is one of that machine
    copy || return
    # shellcheck disable=SC2086 # a command with its words
    logged $emulator "$directory/installed/bin/arenite" graft "$directory/source"
}

# What configure cannot try, since it cannot run what it builds
answers=(ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no ac_cv_buggy_getaddrinfo=no)
build() {
    local flags=(CPPFLAGS="$includes")
    [ "$kind" = stock ] ||
        flags=(CPPFLAGS="-I$directory/installed/include $includes"
            LIBS="-L$directory/installed/lib -Wl,-rpath,$directory/installed/lib -larenite")
    cd "$directory/object" || return
    [ -e Makefile ] ||
        PKG_CONFIG_LIBDIR=$libraries/pkgconfig "$directory/source/configure" --host="$host" \
            --build="$("$directory/source/config.guess")" --with-build-python="$build_python" --disable-gil \
            --without-ensurepip OPT='-DNDEBUG -O1' "${flags[@]}" \
            LDFLAGS="-L$libraries -Wl,-rpath-link,$libraries" "${answers[@]}" || return
    make -j"$jobs" && wrap
}
python() { (logged build); }

# The kernel starts no program of that machine.  So sys.executable is a script beside the program, which starts the
# emulator; with this name in argv[0] Python takes the script for itself, and tests that start an interpreter start it.
executable=$directory/object/emulated
wrap() {
    # what is not in the C library's own root
    local paths=$libraries:/usr/$host/lib
    cat >"$executable" <<EOF || return
#!/bin/sh
exec $emulator -E LD_LIBRARY_PATH="$paths" -0 "\$0" "$directory/object/python" "\$@"
EOF
    chmod +x "$executable"
}
run() { "$executable" "$@"; }
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
    timeout $((seconds + 60)) "$executable" -B -m test --timeout "$seconds" -u-cpu "$1" >"$work/all" 2>&1 || {
        grep -E '^(FAIL|ERROR|Traceback|  File|[A-Za-z]*Error)' "$work/all" >"$work/log"
        tail -n 15 "$work/all" >>"$work/log"
        return 1
    }
    told=$(sed -n 's/^Total tests: //p' "$work/all")
}

hit_paths() {
    ARN_TEST_MACHINE=${host%%-*} ARN_TEST_LIBDIR=$directory/installed/lib bash "$top/t/source/fastpath.sh" >"$work/log"
}
starts_itself() {
    run -c 'import subprocess, sys
print(subprocess.check_output([sys.executable, "-c", "import sys; print(sys.executable)"]))' >"$work/log" 2>&1 &&
        grep -q "'$executable" "$work/log"
}

if [ "$kind" = graft ]; then
    ok "the library for $host" library
    ok "its hit paths have neither calls nor barriers, and no more instructions than today" hit_paths
    ok "a copy of the sources is grafted" graft
else
    ok "the sources are copied" copy
fi
ok "CPython is built" python
[ "$kind" = stock ] || ok "it runs, and the collector finds its objects in Arenite's heaps" is_grafted
ok "it starts itself as a child" starts_itself
for test in "${tests[@]}"; do
    told=
    passes "$test"
    result $? "$test${told:+: $told}"
done
done_testing
