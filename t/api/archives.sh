#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The static libraries keep their own names to themselves: a program that has functions of the same names, every one of
# them, links with them and runs.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${CFLAGS:=-O2}" "${SANITIZE_FLAGS:=}" "${URCU_LIBS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
export LC_ALL=C
directory=$top_builddir/lib/.libs
core=$directory/libarenite.a python=$directory/libarenite-python.a
[ -z "$SANITIZE_FLAGS" ] || skip_all "a sanitizer build, where they are left as they are"
case " $CFLAGS " in *" -flto"*) skip_all "built for link time optimisation" ;; esac
[ -e "$core" ] && [ -e "$python" ] || skip_all "built without static libraries"

names() { # OBJECTS: what they define for others
	nm -g --defined-only "$1" | awk 'NF == 3 { print $3 }' | sort -u
}

# _dl_find_object is there for musl alone: lib/base/trace.c.
foreign_names() { names "$1" | grep -vE '^(arn_|_dl_find_object$)'; }
none "libarenite.a has no name that does not begin with arn_" foreign_names "$core"
none "nor has libarenite-python.a" foreign_names "$python"
exported=$(nm -D --defined-only "$directory/libarenite.so" 2>/dev/null | awk '{ sub(/@.*/, "", $3); print $3 }' |
	grep '^arn_' | sort -u)
names_beside_map() { # OBJECTS: what a program meets that it does not ask for
	names "$1" | grep -vx _dl_find_object |
		grep -vxF "$(sed -n 's/^\t\t\([A-Za-z_0-9]*\);$/\1/p' "$top_srcdir/lib/arenite-malloc.map")"
}
none "libarenite-malloc.a has the names that its version script lists, and no others" names_beside_map \
	"$directory/libarenite-malloc.a"
if [ -n "$exported" ]; then
	same "libarenite.a has the functions of the shared library" "$exported" "$(names "$core")"
else
	skip "the functions of the shared library" "there is none"
fi

# All names of the objects themselves, as data: who calls one of them, or reads it, does not get far.
names "$directory/libcore.a" | grep -v '^arn_' >"$work/names"
for object in "$top_builddir"/lib/python/libarenite_python_la-*.o; do
	names "$object" | grep -v '^arn_'
done >>"$work/names"
for name in warn heap_init cache_init option_init text_add log_line; do echo "$name"; done >>"$work/names"
ok "there are names to look at" test "$(sort -u "$work/names" | wc -l)" -gt 100
sort -u "$work/names" | grep -vE '^(setlocale|_\.stapsdt\.base)$' | sed 's/.*/long & = -1;/' >"$work/theirs.c"

cat >"$work/program.c" <<'END'
#include <arenite/arenite.h>
#include <arenite/python.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { BLOCKS = 20000 };
extern long warn, heap_init, cache_init, option_init, text_add, log_line;
static void *block[BLOCKS];

static void *fill(void *unused)
{
	for (size_t i = 0; i < BLOCKS; i++)
		if (!(block[i] = arn_mem_malloc(i)) || !memset(block[i], 7, i))
			return &block;
	return unused;
}

int main(void)
{
	pthread_t thread;
	void *wrong = NULL;
	/* as programs of other versions have it */
	unsigned char state[2 * sizeof(struct arn_python_state)];

	if (pthread_create(&thread, NULL, fill, NULL) || pthread_join(thread, &wrong) || wrong)
		return 1;
	for (size_t i = 0; i < BLOCKS; i++)
		arn_free(block[i]);
	arn_trim();
	if (arn_python_install() != ARN_PYTHON_ABSENT)
		return 2;
	memset(state, 7, sizeof state);
	arn_python_state((struct arn_python_state *)state, sizeof state);
	if (state[sizeof state - 1] != 0)
		return 3;
	memset(state, 7, sizeof state);
	arn_python_state((struct arn_python_state *)state, sizeof(char *));
	if (state[sizeof(char *)] != 7)
		return 4;
	arn_stats_print(1);
	return warn + heap_init + cache_init + option_init + text_add + log_line == -6 ? 0 : 5;
}
END
links() {
	# shellcheck disable=SC2086 # lists of words
	$CC -std=gnu11 -w -I"$top_srcdir/include" -o "$work/program" "$work/program.c" "$work/theirs.c" \
		-Wl,-u,arn_python_install "$python" "$core" $URCU_LIBS -lpthread -ldl >"$work/log" 2>&1
}
runs() {
	"$work/program" >"$work/out" 2>"$work/err" && grep -q '^  mem ' "$work/out"
}
ok "a program that has all names of ours links with both" links
ok "and runs" runs
done_testing
