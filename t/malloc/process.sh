#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The libc names in a whole process: before constructors and after exit handlers, with libraries that come and go,
# beside the C library's own malloc, as an archive, with options, and under C++.
# shellcheck disable=SC2016,SC2317 # programs for other shells; functions are called by name
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${SANITIZE_FLAGS:=}" "${URCU_LIBS:=}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
[ -z "$SANITIZE_FLAGS" ] || skip_all "a sanitizer has names of its own"
directory=$(cd "$top_builddir/lib/.libs" && pwd)
library=$directory/libarenite-malloc.so
[ -e "$library" ] || skip_all "built without shared libraries"
include=$(cd "$top_srcdir/include" && pwd)
CXX=$(command -v g++ || command -v clang++ || echo none)
ulimit -c 0
cd "$work" || exit 1

c() { # OUTPUT SOURCE FLAG...
	# shellcheck disable=SC2086 # CC is a list of words
	$CC -std=gnu11 -O1 -w -fno-builtin -D_GNU_SOURCE -I"$include" -o "$1" "$2" "${@:3}" -lpthread -ldl >log 2>&1
}
preloaded() { LD_PRELOAD=$library timeout 60 "$@" >out 2>err; }
says() { # TEXT COMMAND...: under the preload it ends well, and this is its output
	preloaded "${@:2}" && [ "$(cat out)" = "$1" ]
}
status_is() { # STATUS COMMAND...
	preloaded "${@:2}"
	[ $? = "$1" ]
}

# Whose block is it?  The library itself is asked, which need not be there.
cat >whose.h <<'END'
#include <arenite/arenite.h>
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static const char *whose(void *block)
{
	enum arn_tag (*tag_of)(const void *) = dlsym(RTLD_DEFAULT, "arn_tag_of");
	return tag_of && tag_of(block) == ARN_TAG_MEM ? "arenite" : "libc";
}
static void say(const char *text) { if (write(1, text, strlen(text)) < 0) abort(); }
END

# ---- the beginning and the end ------------------------------------------------------------------

cat >early.c <<'END'
#include "whose.h"
static void *first;
__attribute__((constructor)) static void begin(void) { first = malloc(100); say(whose(first)); }
__attribute__((destructor)) static void end(void) { free(first); free(malloc(50)); say(" end\n"); }
END
cat >main.c <<'END'
#include "whose.h"
static void at_exit(void)
{
	void *block = realloc(malloc(10), 100000);
	say(" exit ");
	say(whose(block));
	free(block);
}
int main(void)
{
	for (int i = 0; i < 50; i++) atexit(at_exit);
	say(" main ");
	say(whose(strdup("text")));
	return 0;
}
END
c early.so early.c -shared -fPIC && c main main.c -Wl,--no-as-needed ./early.so -Wl,-rpath,.
result $? "a program and a library compile"
many=$(for ((i = 0; i < 50; i++)); do printf ' exit arenite'; done)
ok "from the first constructor to the last destructor" says "arenite main arenite$many end" ./main
LD_PRELOAD="./early.so $library" ./main >out 2>err
same "also of a library that comes before" "arenite main arenite$many end" "$(cat out)"

# ---- libraries that come and go -----------------------------------------------------------------

cat >plugin.c <<'END'
#include "whose.h"
static __thread char local[5000];
static void *kept;
__attribute__((constructor)) static void begin(void) { kept = calloc(10, 1000); }
__attribute__((destructor)) static void end(void) { free(kept); }
void *plugin(void) { local[0]++; return malloc(300); }
END
cat >loader.c <<'END'
#include "whose.h"
#include <pthread.h>
static void *call(void *function)
{
	void *(*plugin)(void) = function;
	return plugin();
}
int main(int argc, char **argv)
{
	const char *of = "";
	for (int i = 0; i < 100; i++) {
		void *module = dlopen("./plugin.so", RTLD_NOW | (argc > 1 ? RTLD_DEEPBIND : 0)), *block;
		pthread_t thread;
		if (!module) { puts(dlerror()); return 1; }
		if (pthread_create(&thread, NULL, call, dlsym(module, "plugin"))) return 2;
		pthread_join(thread, &block);
		dlclose(module);
		memset(block, 1, malloc_usable_size(block));
		of = whose(block);
		block = realloc(block, 5000);
		free(block);
	}
	puts(of);
	return 0;
}
END
c plugin.so plugin.c -shared -fPIC && c loader loader.c
result $? "a program and a plugin compile"
ok "a plugin comes and goes, with threads that use its variables" says arenite ./loader
ok "one that sees the C library's malloc: its blocks are resized and freed all the same" \
	says libc ./loader deepbind

cat >late.c <<'END'
#include "whose.h"
int main(int argc, char **argv)
{
	void *before = malloc(100), *module = dlopen(argv[1], RTLD_NOW), *after = malloc(100);
	void *(*its_malloc)(size_t) = dlsym(module, "malloc");
	void (*its_free)(void *) = dlsym(module, "free");
	if (!module) { puts(dlerror()); return 1; }
	printf("%s %s\n", whose(before), whose(after));
	its_free(its_malloc(1000));
	its_free(before);
	free(after);
	dlclose(module);
	return 0;
}
END
c late late.c
timeout 60 ./late "$library" >out 2>err
same "loaded late, it changes nothing" "libc libc" "$(cat out)"

# ---- options ------------------------------------------------------------------------------------

cat >domains.c <<'END'
#include "whose.h"
int main(void)
{
	void *(*mem)(size_t) = dlsym(RTLD_DEFAULT, "arn_mem_malloc");
	void *(*obj)(size_t) = dlsym(RTLD_DEFAULT, "arn_obj_malloc");
	int (*tag_of)(void *) = dlsym(RTLD_DEFAULT, "arn_tag_of");
	void *(*raw)(size_t) = dlsym(RTLD_DEFAULT, "arn_raw_malloc");
	void (*any_free)(void *) = dlsym(RTLD_DEFAULT, "arn_any_free");
	void *block[] = { malloc(100), mem(100), obj(100), raw(100), memalign(4096, 100), calloc(1, 100) };
	for (int i = 0; i < 6; i++) printf("%s ", tag_of(block[i]) < 4 ? "arenite" : "libc");
	for (int i = 0; i < 6; i++) {
		if (malloc_usable_size(block[i]) < 100) return 1;
		block[i] = realloc(block[i], 1000);
		i % 2 ? free(block[i]) : any_free(block[i]);
	}
	puts("");
	return malloc_trim(0) < 0 || mallinfo2().arena > 1u << 30;
}
END
c domains domains.c
result $? "a program that asks every domain compiles"
while IFS='|' read -r domains wanted; do
	ok "ARENITE_DOMAINS=$domains: malloc, mem, object, raw, memalign and calloc" \
		eval "ARENITE_DOMAINS=$domains says '$wanted ' ./domains"
done <<'END'
mem,object,malloc|arenite arenite arenite arenite arenite arenite
malloc|arenite arenite arenite arenite arenite arenite
object,malloc|arenite arenite arenite arenite arenite arenite
mem,object|libc arenite arenite libc libc libc
mem|libc arenite libc libc libc libc
none|libc libc libc libc libc libc
END
ok "ARENITE_DISABLE=1 leaves malloc to the C library" \
	eval "ARENITE_DISABLE=1 says 'libc arenite arenite libc libc libc ' ./domains"

cat >limit.c <<'END'
#include "whose.h"
#include <errno.h>
int main(void)
{
	unsigned n = 0;
	char *block;
	while (n < 200 && (block = malloc(1 << 20))) { memset(block, 1, 1 << 20); n++; }
	puts(n > 40 && n < 64 && errno == ENOMEM ? "limited" : "not");
	return 0;
}
END
c limit limit.c
ok "ARENITE_LIMIT holds for malloc" eval "ARENITE_LIMIT=64M says limited ./limit"

cat >wrong.c <<'END'
#include "whose.h"
int main(int argc, char **argv)
{
	char *block = malloc(100), *volatile other = malloc(100);
	switch (*argv[1]) {
	case 'd': free(block); free(block); break;
	case 'i': free(block + 16); break;
	case 'f': free(argv); break;
	case 'u': block = malloc(33); memset(block, 1, malloc_usable_size(block)); free(block); return 0;
	}
	return other == block;
}
END
c wrong wrong.c
dies_with() { # TEXT ARGUMENT
	status_is 134 ./wrong "$2" && grep -q "$1" err
}
ok "a double free is found with ARENITE_CHECKS" eval "ARENITE_CHECKS=1 dies_with 'freed twice' d"
ok "so is a pointer into a block" eval "ARENITE_CHECKS=1 dies_with 'not the start of a block' i"
ok "a pointer that nobody has made ends in the C library" dies_with 'invalid pointer' f

ok "what malloc_usable_size names may be written to, with ARENITE_CHECKS=3 as well" \
	eval "ARENITE_CHECKS=3 status_is 0 ./wrong u && status_is 0 ./wrong u"
ARENITE_STATS=1 preloaded ./main
ok "the statistics say it" grep -q '^  malloc: served' err
ok "and have a row for it" grep -Eq '^  \(malloc\) +[0-9]+ +[0-9.]+ ' err
ARENITE_STATS=json:stats.json preloaded ./main
ok "and so does the JSON" grep -q '"malloc": {"served": true}' stats.json
ok "which has its numbers among the tags" grep -q '"malloc": {"live_blocks": [1-9]' stats.json
ARENITE_DOMAINS=mem ARENITE_STATS=1 preloaded ./main
none "when it is not served, nothing is said" grep malloc: err

# ---- the archive --------------------------------------------------------------------------------

archive=$directory/libarenite-malloc.a
core=$directory/libarenite.a
if [ -e "$archive" ]; then
	echo 'extern int arn_tag_of(const void *);
	#include <stdio.h>
	#include <stdlib.h>
	#include <string.h>
	int main(void)
	{
		char *text = strdup("text");
		puts(arn_tag_of(text) == 0 ? "arenite" : "libc");
		free(text);
	}' >linked.c
	# shellcheck disable=SC2086 # a list of words
	c linked linked.c "$archive" "$core" $URCU_LIBS
	result $? "a program links with the archive"
	ok "and runs on it" eval '[ "$(./linked)" = arenite ]'
	# shellcheck disable=SC2086
	if c static linked.c -static "$archive" "$core" $URCU_LIBS; then
		ok "also as a static program" eval '[ "$(./static)" = arenite ]'
	else
		skip "a static program" "it does not link here"
	fi
else
	skip "the archive" "built without"
fi

# ---- C++ ----------------------------------------------------------------------------------------

if [ "$CXX" != none ]; then
	cat >operators.cc <<'END'
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int handled;
static void handler() { if (++handled == 3) std::set_new_handler(nullptr); }
struct alignas(128) line { char bytes[300]; };
static volatile std::size_t much = SIZE_MAX / 4;
static bool ours(void *block)
{
	int (*tag_of)(const void *);
	void *found = dlsym(RTLD_DEFAULT, "arn_tag_of");
	std::memcpy(&tag_of, &found, sizeof found);
	return found && tag_of(block) == 0;
}
extern "C" int operators()
{
	int *one = new int(1), *several = new int[100];
	line *wide = new line, *wides = new line[5];
	if (!ours(one) || !ours(several) || !ours(wide) || !ours(wides)) return 1;
	if ((std::uintptr_t)wide % 128 || (std::uintptr_t)wides % 128) return 2;
	delete one; delete[] several; delete wide; delete[] wides;
	void *nothing = ::operator new(0);
	if (!nothing) return 3;
	::operator delete(nothing, std::nothrow);
	::operator delete(::operator new(100), (std::size_t)100);
	::operator delete[](::operator new[](100, std::align_val_t(64)), 100, std::align_val_t(64));
	if (::operator new(much, std::nothrow)) return 4;
	if (::operator new[](much, std::align_val_t(64), std::nothrow)) return 4;
	try { ::operator new(much); return 5; } catch (const std::bad_alloc &) { }
	try { ::operator new[](much); return 6; } catch (const std::bad_alloc &) { }
	try { ::operator new(much, std::align_val_t(64)); return 7; } catch (const std::bad_alloc &) { }
	std::set_new_handler(handler);
	try { ::operator new(much); return 8; } catch (const std::bad_alloc &) { }
	if (handled != 3) return 9;
	handled = 0;
	std::set_new_handler(handler);
	if (::operator new(much, std::nothrow) || handled != 3) return 10;
	std::vector<std::string> words;
	std::thread([&] {
		for (int i = 0; i < 10000; i++) words.push_back(std::to_string(i) + " is a longer word");
	}).join();
	try { words.at(20000); return 11; } catch (const std::out_of_range &) { }
	return words.size() == 10000 ? 0 : 12;
}
#ifdef MAIN
int main() { return operators(); }
#endif
END
	cat >opens.c <<'END'
#include "whose.h"
int main(void)
{
	void *module = dlopen("./operators.so", RTLD_NOW | RTLD_LOCAL);
	int (*operators)(void) = module ? dlsym(module, "operators") : 0;
	if (!operators) { puts(dlerror()); return 99; }
	return operators();
}
END
	cxx() { "$CXX" -std=c++17 -O1 -w "$@" operators.cc -lpthread -ldl >log 2>&1; }
	cxx -DMAIN -o operators && cxx -shared -fPIC -o operators.so && c opens opens.c
	result $? "a program in C++ compiles"
	ok "new and delete of every kind, and what happens when there is no memory" status_is 0 ./operators
	ok "also in a library that a program in C opens for itself" status_is 0 ./opens
else
	skip "new and delete" "no compiler for C++"
fi
done_testing
