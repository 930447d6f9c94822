#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The tests on 64-bit Arm: cross-built with gcc-aarch64-linux-gnu and run by qemu, which emulates a process, with pages
# of 4, 16 and 64 KiB.  `make check-cross` runs all of them; `make check` runs a few, with pages of 16 KiB.
#
#   PAGES='4096 16384 65536'    sizes of pages
#   TESTS='t/unit/pool.t ...'   the tests, instead of all
#   ARN_TEST_SCALE=0.3          how much of their work they do
#   ARN_CROSS_ROOT=DIR          where Debian's packages for arm64 are unpacked: t/cross/arm.sh
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${SANITIZE_FLAGS:=}"
few='t/unit/stack-plain.t t/unit/stack.t t/unit/pool.t t/unit/arena.t t/unit/heap.t t/unit/os.t'
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "$SANITIZE_FLAGS" ] || skip_all "built with a sanitizer"
# shellcheck source=t/cross/arm.sh
. "$top_srcdir/t/cross/arm.sh"
top=$(cd "$top_srcdir" && pwd)

directory=$top_builddir/cross
if [ -n "${CROSS_WHOLE:-}" ]; then
    : "${PAGES:=4096 16384 65536}"
    scale=${ARN_TEST_SCALE:-0.3} seconds=900
else
    : "${PAGES:=16384}" "${TESTS:=$few}"
    scale=0.2 seconds=300
fi
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)

configures() {
    [ -e "$directory/config.status" ] ||
        (cd "$directory" && "$top/configure" "${cross_flags[@]}" --enable-debug --disable-shared -q) >"$work/log" 2>&1
}
builds() { # TEST...: those that were named, or all
    make -s -C "$directory" -j"$(nproc)" "$@" >"$work/all" 2>&1 && return
    tail -n 20 "$work/all" >"$work/log"
    return 1
}
shim() { $host-gcc -shared -fPIC -O1 -D_GNU_SOURCE -o "$work/shim.so" "$top/t/cross/shim.c" >"$work/log" 2>&1; }

# One test: the lines that failed are told.  An emulated process lacks some of what tests need: they try it
# (t/support/probe.h), and skip.
run() { # PAGE TEST
    local test=${2#t/} status good bad left_out
    local -x ARN_TEST_SCALE=$scale ARN_TEST_SECONDS=$seconds
    local command="$emulator -p $1 -E LD_PRELOAD=$work/shim.so"
    [ -z "$libraries" ] || command+=" -E LD_LIBRARY_PATH=$libraries:/usr/$host/lib"
    # shellcheck disable=SC2086 # a command with its words
    ARN_EMULATOR=$command timeout $((seconds + 30)) $command "$directory/$2" >"$work/tap" 2>"$work/errors"
    status=$?
    good=$(grep -c '^ok ' "$work/tap") bad=$(grep -c '^not ok ' "$work/tap")
    left_out=$(grep -c '^ok .*# SKIP' "$work/tap")
    passed=$((passed + good - left_out)) skipped=$((skipped + left_out)) lacking=$((lacking + bad))
    { grep '^not ok' "$work/tap"; cat "$work/tap" "$work/errors" | tail -n 5; } >"$work/log"
    [ $status = 0 ] && [ "$bad" = 0 ] && [ "$good" -gt 0 ] && tail -n 1 "$work/tap" | grep -q '^1\.\.'
    result $? "pages of $(($1 / 1024)) KiB: ${test%.t}, $((good - left_out)) passed, $left_out skipped"
}

ok "configure for $host" configures
# shellcheck disable=SC2086 # a list of words
if [ -n "${TESTS:-}" ]; then
    ok "the tests are built" builds $TESTS
else
    ok "the tests are built" builds check TESTS=
    TESTS=$(cd "$directory" && ls t/api/*.t t/malloc/*.t t/model/*.t t/property/*.t t/unit/*.t)
fi
ok "so is what qemu lacks" shim
[ $failed = 0 ] || done_testing
for page in $PAGES; do
    passed=0 lacking=0 skipped=0
    for test in $TESTS; do
        # models know nothing of pages
        [[ $test != t/model/* ]] || [ "$page" = "${PAGES%% *}" ] || continue
        run "$page" "$test"
    done
    echo "# $host, pages of $((page / 1024)) KiB: $passed passed, $lacking failed, $skipped skipped"
done
done_testing
