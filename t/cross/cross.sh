#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The tests on 64-bit Arm: cross-built with gcc-aarch64-linux-gnu and run by qemu, which emulates a process, with pages
# of 4, 16 and 64 KiB.  `make check-cross` runs all of them; `make check` runs a few, with pages of 16 KiB.
#
#   PAGES='4096 16384 65536'    sizes of pages
#   TESTS='t/unit/pool.t ...'   the tests, instead of all
#   ARN_CROSS_ROOT=DIR      where Debian's packages for arm64 are unpacked: headers that Arenite needs
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}" "${ARN_CROSS_ROOT:=}"
few='t/unit/stack-plain.t t/unit/stack.t t/unit/pool.t t/unit/arena.t t/unit/heap.t t/unit/os.t'
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
host=aarch64-linux-gnu
[ -z "$SANITIZE_FLAGS" ] || skip_all "built with a sanitizer"
command -v $host-gcc qemu-aarch64 >/dev/null || skip_all "no $host-gcc here, or no qemu-aarch64"
emulator=$(command -v qemu-aarch64)
below=()
if [ -n "$ARN_CROSS_ROOT" ]; then
    below=(-idirafter "$ARN_CROSS_ROOT/usr/include" -idirafter "$ARN_CROSS_ROOT/usr/include/$host")
fi
lacks_header() { # HEADER: configure asks for it
    grep -q "$1" "$top_srcdir/configure.ac" && ! $host-gcc "${below[@]}" -include "$1" -E -x c /dev/null >/dev/null 2>&1
}
if lacks_header urcu/rculfhash.h; then
    skip_all "no headers of liburcu for $host: ./quickstart check fetches them, or ARN_CROSS_ROOT has them"
fi
top=$(cd "$top_srcdir" && pwd)
unset MAKEFLAGS MAKELEVEL MFLAGS CC CFLAGS CPPFLAGS LDFLAGS

# What an emulated process cannot show: test, the words of the line, why.
cannot='
malloc/contract  ulimit -v                                  qemu does not pass on the limit of the address space
malloc/fork      children of a process with 8 busy threads  qemu 7 does not outlive the fork of a busy process
unit/python-qsbr in a child the heaps of the other threads  the same
api/grace        the same while nothing is kept              it starts itself again, by /proc and a shell
unit/idle        the same while nothing is kept              the same
unit/os          what was mapped for the alignment           counts the maps of the process, which are those of qemu
unit/os          refusal is passed on                        qemu takes any advice
unit/os          an address space at its limit               qemu does not pass on the limit of the address space
unit/resident    the parts add up to what the kernel says    /proc/self/smaps is that of qemu
'

directory=$top_builddir/cross
if [ -n "${CROSS_WHOLE:-}" ]; then
    : "${PAGES:=4096 16384 65536}"
    scale=1
else
    : "${PAGES:=16384}" "${TESTS:=$few}"
    scale=0.2
fi
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)

flags=(--host="$host" --enable-debug --disable-shared)
[ ${#below[@]} = 0 ] || flags+=(CPPFLAGS="${below[*]}")
configures() {
    [ -e "$directory/config.status" ] || (cd "$directory" && "$top/configure" "${flags[@]}" -q) >"$work/log" 2>&1
}
builds() { # TEST...: those that were named, or all
    make -s -C "$directory" -j"$(nproc)" "$@" >"$work/all" 2>&1 && return
    tail -n 20 "$work/all" >"$work/log"
    return 1
}
shim() { $host-gcc -shared -fPIC -O1 -D_GNU_SOURCE -o "$work/shim.so" "$top/t/cross/shim.c" >"$work/log" 2>&1; }

is_known() { # TEST LINE
    local name words
    while read -r name words; do
        [ "$name" != "$1" ] || [[ $2 != *"${words%%  *}"* ]] || return 0
    done <<<"$cannot"
    return 1
}

passed=0 known=0 lacking=0

# One test: the lines that failed and are not known are told.
run() { # PAGE TEST
    local test=${2#t/} status line failed_here=0 good=0
    local -x ARN_TEST_SCALE=$scale ARN_TEST_SECONDS=900
    local command="$emulator -L /usr/$host -p $1 -E LD_PRELOAD=$work/shim.so"
    # shellcheck disable=SC2086 # a command with its words
    ARN_EMULATOR=$command timeout 1200 $command "$directory/$2" >"$work/tap" 2>"$work/errors"
    status=$?
    while read -r line; do
        case $line in
        "not ok"*)
            if is_known "${test%.t}" "$line"; then
                known=$((known + 1))
            else
                failed_here=$((failed_here + 1))
                echo "# $line"
            fi
            ;;
        ok*) good=$((good + 1)) ;;
        esac
    done <"$work/tap"
    passed=$((passed + good))
    lacking=$((lacking + failed_here))
    cat "$work/tap" "$work/errors" | tail -n 5 >"$work/log"
    [ $failed_here = 0 ] && [ $good -gt 0 ] && [ $status -lt 2 ] && tail -n 1 "$work/tap" | grep -q '^1\.\.'
    result $? "pages of $(($1 / 1024)) KiB: ${test%.t}, $good passed"
}

ok "configure for $host" configures
# shellcheck disable=SC2086 # a list of words
if [ -n "${TESTS:-}" ]; then
    ok "the tests are built" builds $TESTS
else
    ok "the tests are built" builds all check TESTS=
    TESTS=$(cd "$directory" && ls t/api/*.t t/malloc/*.t t/model/*.t t/property/*.t t/unit/*.t)
fi
ok "so is what qemu lacks" shim
for page in $PAGES; do
    for test in $TESTS; do
        run "$page" "$test"
    done
done
echo "# $host: $passed passed, $lacking failed, $known that an emulated process cannot show"
done_testing
