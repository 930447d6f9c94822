/* SPDX-License-Identifier: MIT
 *
 * python-tls - a function that loads a thread-local word is read and not called, in every form that
 * compilers give it; any other is left alone.
 */
#include "support/core.h"

#include "python/tls.h"

#include <arenite/arenite.h>

#include <pthread.h>

static __thread void *padding[3], *word;
__thread __attribute__((visibility("default"))) void *shared_word;

/* Functions as they are without a sanitizer. */
#define plain noinline __attribute__((no_sanitize("thread", "address", "undefined")))

plain static void *get_word(void)
{
	return word;
}

plain static void *get_shared_word(void)
{
	return shared_word;
}

plain static void *get_word_or_padding(void)
{
	return word ? word : padding[0];
}

/* Does the calling thread, whose words differ, read its own word? */
static void *reads_own(void *offset)
{
	word = &padding[1];
	return tls_load(*(ptrdiff_t *)offset) == get_word() ? offset : NULL;
}

static bool reads_every_thread(ptrdiff_t offset)
{
	pthread_t thread;
	void *result;

	word = &padding[0];
	if (pthread_create(&thread, NULL, reads_own, &offset) != 0 ||
	    pthread_join(thread, &result) != 0)
		bail("no thread");
	return result && tls_load(offset) == &padding[0];
}

#define READS(wanted, ...)                                       \
	do {                                                     \
		static const uint8_t code[] = { __VA_ARGS__ };   \
		ptrdiff_t is = tls_offset(code);                 \
		ok(is == (wanted), "%s: %td", #__VA_ARGS__, is); \
	} while (0)

#define MINUS_48 0xd0, 0xff, 0xff, 0xff
#define ZERO     0, 0, 0, 0
#define RET      0xc3

/* The function as gcc and clang leave it, linked into a program. */
static void test_program(void)
{
	READS(-48, 0x64, 0x48, 0x8b, 0x04, 0x25, MINUS_48, RET);
	READS(-48, 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x64, 0x48, 0x8b, 0x04, 0x25,
	      MINUS_48, 0x5d, RET);
	READS(-48, 0x48, 0xc7, 0xc0, MINUS_48, 0x64, 0x48, 0x8b, 0x00, RET);
	READS(-48, 0x48, 0x83, 0xec, 8, 0x64, 0x48, 0x8b, 4, 0x25, ZERO, 0x48, 0x8d, 0x80, MINUS_48,
	      0x48, 0x8b, 0, 0x48, 0x83, 0xc4, 8, RET);
	READS(-48, 0x50, 0x66, 0x66, 0x66, 0x64, 0x48, 0x8b, 4, 0x25, ZERO, 0x48, 0x8b, 0x80,
	      MINUS_48, 0x59, RET);
}

/*
 * The function in a library that is there from the start: the offset is in a table, which here
 * begins four bytes behind the instruction.
 */
static void test_library(void)
{
	READS(-48, 0x48, 0x8b, 0x05, 5, 0, 0, 0, 0x64, 0x48, 0x8b, 0x00, RET, MINUS_48, 0xff, 0xff,
	      0xff, 0xff);
}

static void test_other(void)
{
	READS(0, RET);
	READS(0, 0x48, 0xc7, 0xc0, MINUS_48, RET); /* a number, no load */
	READS(0, 0x64, 0x48, 0x8b, 0x04, 0x25, MINUS_48, 0x48, 0x8b, 0x00,
	      RET); /* the word is looked into */
	READS(0, 0x64, 0x48, 0x8b, 4, 0x25, ZERO, 0x48, 0x8d, 0x80, MINUS_48, RET); /* an address */
	READS(0, 0x64, 0x48, 0x8b, 0x00, RET); /* of who knows what */
	READS(0, 0x64, 0x48, 0x8b, 0x04, 0x25, MINUS_48, 0x48, 0x85, 0xc0, 0x74, 0,
	      RET); /* a decision */
	READS(0, 0x66, 0x48, 0x8d, 0x3d, ZERO, 0x66, 0x66, 0x48, 0xe8, ZERO,
	      RET); /* __tls_get_addr */
	ok(tls_offset((const void *)(uintptr_t)get_word_or_padding) == 0,
	   "a function that does more");
}

int main(void)
{
	ptrdiff_t offset = tls_offset((const void *)(uintptr_t)get_word);
	ptrdiff_t shared = tls_offset((const void *)(uintptr_t)get_shared_word);

#ifdef __x86_64__
	ok(offset != 0 && shared != 0 && offset != shared, "this program's own functions: %td, %td",
	   offset, shared);
	ok(reads_every_thread(offset), "each thread's own word");
	test_program();
	test_library();
#else
	(void)shared;
	ok(offset == 0, "no code is read on this machine");
#endif
	test_other();
	return done();
}
