#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The sources with every compiler and C library that is here: gcc, clang, musl's gcc, and a gcc for aarch64.  Each
# compiles the whole without a warning, and what comes out runs: the stress tool, and a program that gets the preload.
# What is for aarch64 is run by qemu.  clang's sanitizers watch the stress tool, besides.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
top=$(cd "$top_srcdir" && pwd)
build=$(cd "$top_builddir" && pwd)
cd "$work" || exit 1
# The system's libraries are for the system's C library, and the others are to compile the same.
grep -vE 'HAVE_(NCURSES|ZLIB_H|SYS_SDT_H)' "$build/config.h" >config.h
config=$work/config.h
export ASAN_OPTIONS=allocator_may_return_null=1:${ASAN_OPTIONS:-} UBSAN_OPTIONS=halt_on_error=1:${UBSAN_OPTIONS:-}

# A C library of its own has not the system's include path, but can use the kernel's headers and ck's from there.
mkdir foreign
multiarch=/usr/include/$(gcc -print-multiarch 2>/dev/null)
for header in /usr/include/ck_*.h /usr/include/{gcc,linux,asm,asm-generic} "$multiarch/asm"; do
    [ ! -e "$header" ] || ln -sfn "$header" foreign/
done
# Of liburcu's, those that are included are the same for every machine.
mkdir urcu
for header in /usr/include/urcu "$multiarch/urcu"; do
    [ ! -e "$header/rculfhash.h" ] || ln -sfn "$header" urcu/
done

core=() # everything but the command, and what only another configuration has
for source in "$top"/lib/{base,os,arena,heap,profile,api}/*.c; do
    [ "${source##*/}" = reclaim-urcu.c ] || core+=("$source")
done

# compile COMPILER DIRECTORY SOURCE...: objects into the directory
compile() {
    local compiler=$1 directory=$2 flags=(-std=gnu11 -O1 -Wall -Wextra -Werror -fPIC -fvisibility=hidden
        -ftls-model=initial-exec -D_GNU_SOURCE -include "$config" -I"$top/include" -I"$top/lib"
        -DARN_GRAFT_DIR='""' -DARN_PLUGIN_DIR='""' -idirafter "$work/urcu")
    shift 2
    mkdir -p "$directory"
    # shellcheck disable=SC2086 # a compiler with its flags
    (cd "$directory" && $compiler "${flags[@]}" -c "$@") >>log 2>&1
}

build() { # COMPILER DIRECTORY [FLAG...]: both libraries and the command
    local compiler=$1 to=$2
    shift 2
    compile "$compiler $*" "$to/core" "${core[@]}" &&
        compile "$compiler $*" "$to/command" "$top"/lib/cli/*.c &&
        compile "$compiler $*" "$to/stress" "$top"/lib/stress/*.c &&
        compile "$compiler $* -DARN_OUTSIDE_CORE" "$to/python" "$top"/lib/python/*.c || return
    # shellcheck disable=SC2086
    {
        $compiler "$@" -o "$to/arenite" "$to"/{command,stress,core}/*.o -lpthread -ldl &&
            $compiler "$@" -shared -Wl,-z,nodelete -Wl,-soname,libarenite.so.0 -o "$to/libarenite.so.0" \
                -Wl,--version-script="$top/lib/arenite.map" \
                "$to"/core/*.o -lpthread -ldl &&
            $compiler "$@" -shared -Wl,-z,nodelete -o "$to/libarenite-python.so" "$to"/python/*.o \
                -Wl,--version-script="$top/lib/arenite-python.map" \
                "$to/libarenite.so.0" -Wl,-rpath,"$PWD/$to" -lpthread -ldl &&
            $compiler "$@" -std=gnu11 -D_GNU_SOURCE -I"$top/include" -o "$to/program" program.c \
                "$to/libarenite.so.0" -Wl,-rpath,"$PWD/$to" -lpthread
    } >>log 2>&1
}

cat >program.c <<'END'
#include <arenite/arenite.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void *fill(void *block)
{
	return memset(arn_mem_realloc(block, 100000), 7, 100000);
}

int main(void)
{
	void *block = arn_mem_malloc(100), *moved;
	pthread_t thread;

	if (!block || pthread_create(&thread, NULL, fill, block) != 0 || pthread_join(thread, &moved) != 0)
		return 1;
	arn_free(moved);
	return puts(arn_version()) < 0;
}
END

runner=() # the command that runs programs of another machine

runs() { # DIRECTORY: also with the preload, which finds no Python
    local version
    version=$("${runner[@]}" "$1/program" 2>>log) && [ -n "$version" ] &&
        [ "$(LD_PRELOAD=$PWD/$1/libarenite-python.so "${runner[@]}" "$1/program" 2>>log)" = "$version" ]
}

stress() { # DIRECTORY FLAG...
    "${runner[@]}" "$1/arenite" stress --seconds 1 --threads 2 "${@:2}" >>log 2>&1
}

try() { # NAME COMPILER STRESS-FLAG...
    rm -f log
    ok "$1 compiles everything without a warning" build "$2" "$1"
    [ -x "$1/program" ] || return
    ok "$1: a program runs, and runs with the preload" runs "$1"
    ok "$1: the stress tool finds nothing" stress "$1" "${@:3}"
}

is_here() { # COMPILER
    # shellcheck disable=SC2086
    printf '%s\n' '#ifdef __x86_64__' '#include <ck_stack.h>' '#endif' '#include <linux/membarrier.h>' \
        'int main(void) { return 0; }' |
        $1 -x c -o here - 2>/dev/null && "${runner[@]}" ./here
}

# The unwinder of musl's gcc is that of a gcc for glibc: configure.ac.
for pair in "gcc:gcc" "clang:clang" "musl:musl-gcc -DARN_FIND_OBJECT -idirafter $PWD/foreign"; do
    if is_here "${pair#*:}"; then
        try "${pair%%:*}" "${pair#*:}" --walk --fork
    else
        skip "${pair%%:*}" "it is not here, or lacks headers"
    fi
done

# Another machine, where words are ordered less.  qemu 7 itself does not outlive the fork of a busy process.
other=/usr/aarch64-linux-gnu
runner=(qemu-aarch64 -L "$other")
if is_here aarch64-linux-gnu-gcc; then
    try aarch64 aarch64-linux-gnu-gcc --walk
    runner+=(-p 65536)
    ok "aarch64: the stress tool finds nothing with pages of 64 KiB either" stress aarch64 --walk
else
    skip "aarch64" "there is no aarch64-linux-gnu-gcc, or no qemu-aarch64"
fi
runner=()
weak_clang="clang --target=aarch64-linux-gnu -nostdlibinc -isystem $other/include"
if echo '#include <stdio.h>' | $weak_clang -x c -c -o here.o - 2>/dev/null; then
    rm -f log
    ok "clang compiles the core for aarch64" compile "$weak_clang" aarch64-clang "${core[@]}"
else
    skip "clang for aarch64" "there are no headers of its C library"
fi

if is_here "clang -fsanitize=address,undefined"; then
    rm -f log
    ok "clang with its sanitizers compiles everything" build clang sanitized -g -fsanitize=address,undefined \
        -fno-sanitize-recover=undefined
    ok "which watch the stress tool" stress sanitized --walk
else
    skip "clang's sanitizers" "they are not here"
fi
done_testing
